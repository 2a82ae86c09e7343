import { z } from "zod";
import { ACTIVITY_KINDS } from "./activity.ts";
import { CLIENT_ERRORS, type ClientErrorCode } from "./errors.ts";
import { channelSchema, type ClientEvent, type ServerFrame } from "./frames.ts";
import { PRESENCE_STATES, payloadSchema } from "./message.ts";
import { MESSAGE_TYPES, appChannelSchema, type MessageTypeName } from "./message-types.ts";
import { BRIDGE_KEPT, privacySettingsSchema } from "./privacy-settings.ts";
import { idSchema } from "./sensors.ts";
import { ALERT_SEVERITIES } from "./topics.ts";
import { CALIBRATION_BASES, FIX_SOURCES } from "./update.ts";

/**
 * What servers say, as schemas: for the AsyncAPI description and for tests that hold a server to it. The bridge
 * itself never checks what it sends, so nothing of this is on the hot path.
 */

const personView = { personId: idSchema, name: z.string() };
const subject = z.union([z.object({ who: z.literal("me") }), z.object({ who: z.literal("person"), ...personView }), z.object({ who: z.literal("tag"), tagId: idSchema })]);
const sender = z.union([z.object({ who: z.literal("me") }), z.object({ who: z.literal("person"), ...personView }), z.object({ who: z.literal("venue") })]);
const kept = Object.fromEntries(BRIDGE_KEPT.map((name) => [name, true])) as Record<(typeof BRIDGE_KEPT)[number], true>;
const stamp = {
  i: z.string().optional().describe("of logged events: the id for deduplication"),
  st: z.number().optional().describe("when it was stored, ms since 1970"),
};
const event = <T extends string, D extends z.ZodType>(t: readonly [T, ...T[]], d: D) => z.object({ ...stamp, t: z.enum(t), at: z.number().describe("ms since 1970"), d });

const messageView = z.object({
  id: z.string().describe("UUIDv7"),
  from: sender,
  ch: appChannelSchema.optional(),
  to: z.string().optional().describe('of a direct message: "me", or whom it went to'),
  body: payloadSchema,
  key: z.string().optional().describe("for the sender alone"),
  ttlS: z.number().optional(),
  request: z.literal(true).optional().describe("from somebody whom the recipient has not connected with"),
  sig: z.string().optional(),
  pk: z.string().optional(),
  enc: z.literal(true).optional(),
});

export const gatewayCalibrationSchema = z.object({ basis: z.enum(CALIBRATION_BASES), offsetDb: z.number(), residualDb: z.number().nullable(), gainNats: z.number().optional() });

export const activityViewSchema = z.object({
  kind: z.enum(ACTIVITY_KINDS),
  sessionId: idSchema.optional(),
  exhibitorId: idSchema.optional(),
  meetingId: idSchema.optional().describe("of one's own meetings alone"),
  name: z.string().optional().describe("of the session, stand or meeting"),
  untilMs: z.number().optional(),
});
export const zoneCountSchema = z.object({ zoneId: idSchema, count: z.union([z.number(), z.literal("few")]), hot: z.literal(true).optional().describe("a hot spot"), capacity: z.number().optional().describe("of a hot spot") });
export const sessionCountSchema = z.object({ sessionId: idSchema, present: z.number(), attended: z.number().describe("stayed for five minutes or more"), peak: z.number() });
export const nearbyChannelSchema = z.object({
  channelId: idSchema,
  name: z.string(),
  distanceM: z.number().describe("to the edge of its region, 0 inside; by its signal where only that is known"),
  relevance: z.number(),
  signalPct: z.number().nullable(),
  autoJoin: z.boolean(),
});

export const EVENT_SCHEMAS = {
  position: event(
    ["position"],
    z.object({ subj: subject, level: z.literal("precise"), xM: z.number(), yM: z.number(), floor: z.number(), zoneId: idSchema.nullable(), accuracy95M: z.number(), confidence: z.number(), source: z.enum(FIX_SOURCES).optional() }),
  ),
  zone: event(["zone.enter", "zone.dwell", "zone.exit"], z.object({ subj: subject, zoneId: idSchema, floor: z.number() })),
  proximity: event(["near", "apart"], z.object({ subj: subject })),
  serendipity: event(["serendipity"], z.object({ subj: z.object({ who: z.literal("person"), ...personView }), topic: z.string().nullable(), text: z.string(), compatibility: z.number(), reasons: z.array(z.string()) })),
  alert: event(["alert"], z.object({ alertId: idSchema, severity: z.enum(ALERT_SEVERITIES), title: z.string(), text: z.string(), zoneIds: z.array(idSchema), atMs: z.number() })),
  occupancy: event(["occupancy"], z.object({ zones: z.array(zoneCountSchema), sessions: z.array(sessionCountSchema).optional() })),
  activity: event(["activity"], z.object({ subj: subject, activity: activityViewSchema.nullable() })),
  channels: event(["channels"], z.object({ channels: z.array(nearbyChannelSchema), entered: z.array(idSchema), left: z.array(idSchema) })),
  gateway: event(
    ["gateway"],
    z.object({ gatewayId: idSchema, state: z.enum(["online", "silent", "offline"]), atMs: z.number(), lastReportAtMs: z.number().nullable(), observationsPerS: z.number(), clockOffsetMs: z.number().nullable(), calibration: gatewayCalibrationSchema.optional() }),
  ),
  nearby: event(
    ["nearby"],
    z.object({
      people: z.array(
        z.object({ ...personView, company: z.string(), sharedInterests: z.array(z.string()), within: z.enum(["10m", "50m", "same_zone", "same_venue"]), relevance: z.number().optional(), reasons: z.array(z.string()).optional(), activity: activityViewSchema.optional() }),
      ),
    }),
  ),
  settings: event(["settings"], privacySettingsSchema.omit(kept)),
  message: event(Object.keys(MESSAGE_TYPES) as [MessageTypeName, ...MessageTypeName[]], messageView),
  typing: event(["typing"], z.object({ ch: appChannelSchema, people: z.array(z.object(personView)), more: z.number() })),
  presence: event(
    ["presence"],
    z.object({
      ch: appChannelSchema.optional(),
      whole: z.boolean(),
      count: z.number(),
      states: z.object({ online: z.number(), away: z.number(), busy: z.number() }).optional(),
      people: z.array(z.object({ ...personView, state: z.enum(PRESENCE_STATES) })),
      left: z.array(idSchema),
      more: z.number(),
    }),
  ),
  receipts: event(["receipts"], z.object({ alertId: idSchema, delivered: z.number(), pending: z.number(), failed: z.number() })),
} as const;

export const clientEventSchema = z.union(Object.values(EVENT_SCHEMAS));

const reply = z.number().int().describe("the id of the frame that this answers");
const sequence = z.number().int().min(1).describe("dense on each connection");
const cursor = z.string().describe("the newest sealed cursor: keep it for hello.resume");

export const SERVER_FRAME_SCHEMAS = {
  welcome: z.object({
    op: z.literal("welcome"),
    re: reply,
    sid: z.string(),
    ttlS: z.number().describe("until the token ends"),
    pingS: z.number(),
    now: z.number(),
    epoch: z.string(),
    resumed: z.boolean(),
    why: z.string().optional(),
    who: z.object({ personId: idSchema.nullable(), role: z.string() }),
  }),
  ok: z.object({ op: z.literal("ok"), re: reply, ch: channelSchema.optional(), snap: z.array(clientEventSchema).optional(), c: cursor.optional(), mid: z.string().optional(), dup: z.literal(true).optional() }),
  ev: z.union(Object.values(EVENT_SCHEMAS).map((schema) => z.object({ op: z.literal("ev"), s: sequence, c: cursor.optional(), ...schema.shape }))),
  b: z.object({ op: z.literal("b"), s: sequence.describe("of the first event; the others follow it"), c: cursor.optional(), ev: z.array(clientEventSchema) }),
  caught: z.object({ op: z.literal("caught"), c: cursor.optional() }),
  gap: z.object({ op: z.literal("gap"), why: z.enum(["retention", "epoch", "overflow"]) }),
  lag: z.object({ op: z.literal("lag"), level: z.union([z.literal(0), z.literal(1)]) }),
  resync: z.object({ op: z.literal("resync") }),
  forget: z.object({ op: z.literal("forget"), subj: z.string() }),
  drop: z.object({ op: z.literal("drop"), ch: channelSchema, why: z.string() }),
  ping: z.object({ op: z.literal("ping"), now: z.number(), c: cursor.optional() }),
  err: z.object({
    op: z.literal("err"),
    re: reply.optional(),
    code: z.enum(Object.keys(CLIENT_ERRORS) as [ClientErrorCode, ...ClientErrorCode[]]),
    n: z.number(),
    retry: z.boolean(),
    after: z.number().optional().describe("ms"),
    detail: z.string().optional(),
  }),
  bye: z.object({ op: z.literal("bye"), n: z.number().describe("close code"), after: z.tuple([z.number(), z.number()]).describe("come back after a random time between these, ms") }),
} as const satisfies Record<ServerFrame["op"], z.ZodType>;

export const serverFrameSchema = z.union(Object.values(SERVER_FRAME_SCHEMAS));

// What the types say, the schemas take: a frame or event that is missing here does not compile.
type Takes<Schema, T> = [T] extends [Schema] ? true : never;
export const EVERY_EVENT_HAS_A_SCHEMA: Takes<z.input<typeof clientEventSchema>["t"], ClientEvent["t"]> = true;
