import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  ALERT_SEVERITIES,
  ConfigError,
  type BRIDGE_KEPT,
  LEVELS,
  MAX_NEARBY_RESULTS,
  MAX_PEOPLE_PER_EVENT,
  activityViewSchema,
  alertMessageSchema,
  consentSchema,
  gatewayCalibrationSchema,
  idSchema,
  personSchema,
  privacyChangeSchema,
  privacySettingsSchema,
  profileSchema,
  sessionCountSchema,
  sessionSchema,
  venueFromGeoJson,
  venueMapSchema,
  venueToGeoJson,
  zoneCountSchema,
  type Alert,
  type Session,
  type SessionCount,
  type VenueMap,
  type ZoneCount,
} from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { AlertReceipts } from "../alert-receipts.ts";
import { RENEWABLE_S, type Claims, type TokenAuthority } from "../auth.ts";
import type { Bearer, Login } from "../config.ts";
import { BANDS } from "../core/nearby.ts";
import { seesThings, type Viewer } from "../core/privacy-policy.ts";
import type { CountAudit } from "../count-audit.ts";
import { KeyedBuckets } from "../core/token-bucket.ts";
import type { Flow } from "../flow.ts";
import type { SlowConnection } from "../metrics.ts";
import type { Logins } from "../logins.ts";
import type { Occupancy } from "../occupancy.ts";
import type { PeopleCache } from "../people-cache.ts";
import { erasureReceiptSchema, type ErasureReceipt } from "../erasure-receipt.ts";
import type { PeopleDesk } from "../people-desk.ts";
import type { Registry } from "../registry/registry.ts";
import type { Signals } from "../signals.ts";
import type { Surroundings } from "../surroundings.ts";
import type { Tickets } from "../tickets.ts";
import { safetyRoutes } from "./safety-routes.ts";
import { importPeople, isReservedPersonId } from "./import-people.ts";
import { ClientError, EVERYBODY, OPERATOR, STAFF, route, type Route } from "./router.ts";

/** 200,000 rows of 80 bytes. */
const MAX_IMPORT_BYTES = 16 * 1024 * 1024;
/** One person's questions about who is near: a page asks every 2 s at most; more is probing. */
const NEARBY_RATE = { perS: 1, burst: 10 };
const ALERT_RATE = { perS: 1 / 5, burst: 10 };
/** A desk looks people up one by one, when they stand before it. */
const PROFILE_RATE = { perS: 1, burst: 60 };
const MAX_KEYS = 10_000;
const GEO_JSON = "application/geo+json";

export interface RoutesOptions {
  eventId: string;
  venue: VenueMap;
  store: Store;
  registry: Registry;
  people: PeopleCache;
  desk: PeopleDesk;
  surroundings: Surroundings;
  occupancy: Occupancy;
  receipts: AlertReceipts;
  signals: Signals;
  countAudit: CountAudit;
  flow: Flow;
  slowest: () => SlowConnection[];
  authority: TokenAuthority;
  tickets: Tickets;
  logins: Logins;
  publishAlert: (alert: Alert) => Promise<void>;
  nowMs: () => number;
}

const personParams = z.object({ personId: idSchema });
const tagParams = z.object({ tagId: idSchema });
const receiptsSchema = z.object({ delivered: z.number(), pending: z.number(), failed: z.number() });
const okSchema = z.object({ ok: z.literal(true) });
/** Settings as a person sees and changes them: what the bridge keeps beside them is not theirs to write. */
const kept = { raisedAtMs: true, tagSinceMs: true, blocked: true, shares: true, lookups: true } as const satisfies Record<(typeof BRIDGE_KEPT)[number], true>;
export const settingsSchema = privacySettingsSchema.omit(kept);
const settingsChangeSchema = privacyChangeSchema.omit(kept).strict();
const shownPersonSchema = personSchema.extend({ settings: settingsSchema });
const nearbyPersonSchema = z.object({ personId: idSchema, name: z.string(), company: z.string(), sharedInterests: z.array(z.string()), within: z.enum(BANDS), relevance: z.number().optional(), reasons: z.array(z.string()).optional(), activity: activityViewSchema.optional() });
const flag = z.enum(["true", "false"]).transform((text) => text === "true").optional();
const word = z.string().trim().max(120).optional();

export function apiRoutes(options: RoutesOptions): Route[] {
  return [...sessionRoutes(options), ...venueRoutes(options), ...peopleRoutes(options), ...ownRoutes(options), ...safetyRoutes(options)];
}

// --- sessions -------------------------------------------------------------------------------------

function sessionRoutes({ eventId, authority, logins, tickets, registry, nowMs }: RoutesOptions): Route[] {
  const session = async (who: Bearer): Promise<Session> => {
    if (nowMs() - (who.loggedInAtMs ?? nowMs()) > RENEWABLE_S * 1_000) throw new ClientError("unauthorized", "the last login is more than 7 days ago: log in again");
    if (who.personId !== null && (await registry.person(who.personId)) === null) throw new ClientError("unauthorized", "this person is not registered here");
    return { ...(await authority.issue(who)), personId: who.personId, role: who.role, eventId };
  };
  return [
    route({
      method: "POST",
      path: "/api/v1/sessions",
      summary: "Log in",
      access: "public",
      body: z.object({ login: z.string().min(1).max(120), password: z.string().max(1_000) }),
      status: 201,
      answers: sessionSchema,
      errors: ["unauthorized"],
      async handle({ body, address }) {
        const verdict = await logins.check(body.login, body.password, address);
        if (!verdict.ok && verdict.afterMs > 0) throw new ClientError("rate_limited", "too many tries", verdict.afterMs);
        if (!verdict.ok) throw new ClientError("unauthorized", "login or password is wrong");
        return { status: 201, body: await session(bearerOf(verdict.login)) };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/sessions/renew",
      summary: "A fresh session for the one that the token is of, before that one ends; for 7 days after logging in",
      access: EVERYBODY,
      status: 201,
      answers: sessionSchema,
      errors: ["unauthorized"],
      async handle({ claims }) {
        if (claims === null) throw new ClientError("unauthorized", "who are you?");
        return { status: 201, body: await session(renewed(claims, logins)) };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/tickets/redeem",
      summary: "Turn the single-use ticket of a link into a session",
      access: "public",
      body: z.object({ ticket: z.string().min(1).max(200) }),
      status: 201,
      answers: sessionSchema,
      errors: ["unauthorized"],
      async handle({ body }) {
        const who = await tickets.redeem(body.ticket);
        if (who === null) throw new ClientError("unauthorized", "the ticket is unknown, used or older than 10 minutes: ask for a new link");
        return { status: 201, body: await session(who) };
      },
    }),
  ];
}

/** What the login may do today, not what it could when the token was made. A person keeps what their link or ticket gave. */
function renewed(claims: Claims, logins: Logins): Bearer {
  const { loginName, loggedInAtMs } = claims;
  if (loginName === undefined) return claims;
  const login = logins.find(loginName);
  if (login === null) throw new ClientError("unauthorized", "this login is no longer there");
  return { ...bearerOf(login), loggedInAtMs };
}

// --- the venue ------------------------------------------------------------------------------------

function venueRoutes({ venue, store, occupancy, receipts, signals, countAudit, flow, slowest, people, publishAlert, nowMs }: RoutesOptions): Route[] {
  // No tag id ever leaves to attendees, and notes are the venue's own.
  const { notes: _notes, ...shown } = venue;
  const publicVenue = { ...shown, tags: [] };
  const zoneIds = new Set(venue.zones.map((zone) => zone.zoneId));
  const alertBuckets = new KeyedBuckets(ALERT_RATE, MAX_KEYS);
  const { title, text, alertId } = alertMessageSchema.shape;
  return [
    route({
      method: "GET",
      path: "/api/v1/venue",
      summary: "The venue map; as GeoJSON with Accept: application/geo+json",
      access: EVERYBODY,
      answers: venueMapSchema,
      handle({ claims, accept }) {
        const map = claims !== null && seesThings(viewerOf(claims, people)) ? venue : publicVenue;
        return accept.includes(GEO_JSON) ? { status: 200, text: { type: GEO_JSON, text: JSON.stringify(venueToGeoJson(map)) } } : { status: 200, body: map };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/venue/convert",
      summary: "GeoJSON to a venue map, checked; nothing is changed by it: the answer is a file for --venue",
      access: OPERATOR,
      body: z.string().describe("a FeatureCollection: docs/venue-map.md"),
      bodyType: GEO_JSON,
      maxBodyBytes: MAX_IMPORT_BYTES,
      answers: venueMapSchema,
      errors: ["too_large"],
      handle: ({ body }) => ({ status: 200, body: venueOfGeoJson(body) }),
    }),
    route({
      method: "GET",
      path: "/api/v1/gateways",
      summary: "How the gateways do",
      access: STAFF,
      answers: z.object({
        gateways: z.array(
          z.object({
            gatewayId: idSchema,
            state: z.enum(["online", "silent", "offline"]),
            atMs: z.number(),
            lastReportAtMs: z.number().nullable(),
            observationsPerS: z.number(),
            clockOffsetMs: z.number().nullable(),
            calibration: gatewayCalibrationSchema.optional(),
          }),
        ),
      }),
      handle: async () => ({ status: 200, body: { gateways: await store.gateways() } }),
    }),
    route({
      method: "GET",
      path: "/api/v1/occupancy",
      summary: "People per zone, and hot spots: exact for staff, with attendance by session; for others rounded, one release a minute, small counts as few",
      access: EVERYBODY,
      answers: z.object({ zones: z.array(zoneCountSchema), sessions: z.array(sessionCountSchema).optional().describe("attendance; for operators and staff") }),
      handle({ claims }) {
        const viewer = viewerOf(claims, people);
        if (seesThings(viewer)) countAudit.read(claims?.subject ?? "", "asked");
        const parts = occupancy.shownTo(viewer).map((part) => (JSON.parse(part.json) as { d: { zones: ZoneCount[]; sessions?: SessionCount[] } }).d);
        const { sessions } = parts[0] ?? {};
        return { status: 200, body: { zones: parts.flatMap(({ zones }) => zones), ...(sessions === undefined ? {} : { sessions }) } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/occupancy/readers",
      summary: "Who has had exact counts before them, from when until when, at any bridge; the latest first",
      access: OPERATOR,
      answers: z.object({ readings: z.array(z.object({ by: z.string(), how: z.enum(["asked", "live"]), fromMs: z.number(), untilMs: z.number() })) }),
      handle: () => ({ status: 200, body: { readings: countAudit.list() } }),
    }),
    route({
      method: "GET",
      path: "/api/v1/alerts",
      summary: "The last alerts with their receipts: devices that have acknowledged, that have not yet, and that closed or stayed silent",
      access: STAFF,
      answers: z.object({ alerts: z.array(z.object({ alertId: idSchema, severity: z.enum(ALERT_SEVERITIES), title: z.string(), text: z.string(), zoneIds: z.array(idSchema), atMs: z.number(), receipts: receiptsSchema })) }),
      handle: () => ({ status: 200, body: { alerts: receipts.list().map(({ alert, counts }) => ({ ...alert, receipts: counts })) } }),
    }),
    route({
      method: "GET",
      path: "/api/v1/flow",
      summary: "How many have passed each stage, over all processes of the event, and each lane to the clients: counts that grow, as of `atMs`",
      access: STAFF,
      answers: z.object({ atMs: z.number(), stages: z.record(z.string(), z.number()), lanes: z.record(z.string(), z.number()) }),
      handle: () => ({ status: 200, body: flow.read() }),
    }),
    route({
      method: "GET",
      path: "/api/v1/connections/slowest",
      summary: "The 20 clients of this bridge with most bytes under way and waiting, then with the longest round trip; by a number of the connection, never by whose it is",
      access: OPERATOR,
      answers: z.object({ connections: z.array(z.object({ connection: z.number(), transport: z.string(), role: z.string(), unackedBytes: z.number(), queuedBytes: z.number(), staleMs: z.number(), lagging: z.boolean(), roundTripMs: z.number().nullable() })) }),
      handle: () => ({ status: 200, body: { connections: slowest() } }),
    }),
    route({
      method: "POST",
      path: "/api/v1/resync",
      summary: "Tell one person's clients, or everybody's, that what they keep may be wrong: they load anew",
      access: OPERATOR,
      body: z.object({ personId: idSchema.optional() }).strict(),
      status: 202,
      answers: okSchema,
      handle({ body }) {
        signals.push({ kind: "resync", who: body.personId ?? null });
        return { status: 202, body: { ok: true } };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/alerts",
      summary: "Send an alert to everybody, the named zones first",
      access: OPERATOR,
      body: z
        .object({
          severity: z.enum(ALERT_SEVERITIES),
          title: title.pipe(z.string().min(1)),
          text: text.pipe(z.string().min(1)),
          zoneIds: z.array(idSchema).max(64).optional(),
          alertId: alertId.optional().describe("given: the same alert sent twice arrives once"),
        })
        .strict(),
      status: 201,
      answers: z.object({ alertId: idSchema }),
      async handle({ body, claims }) {
        const afterMs = alertBuckets.take(claims?.subject ?? "", nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "too many alerts", afterMs);
        const unknown = body.zoneIds?.find((zoneId) => !zoneIds.has(zoneId));
        if (unknown !== undefined) throw new ClientError("bad_request", `body.zoneIds: the venue has no zone "${unknown}"`);
        const alert: Alert = { alertId: body.alertId ?? randomUUID(), severity: body.severity, title: body.title, text: body.text, zoneIds: body.zoneIds ?? [], atMs: nowMs() };
        await publishAlert(alert);
        return { status: 201, body: { alertId: alert.alertId } };
      },
    }),
  ];
}

function venueOfGeoJson(text: string): VenueMap {
  try {
    return venueFromGeoJson(JSON.parse(text), "venue.geojson");
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ConfigError) throw new ClientError("bad_request", error.message);
    throw error;
  }
}

// --- people and tags --------------------------------------------------------------------------------

function peopleRoutes({ registry, desk, nowMs }: RoutesOptions): Route[] {
  const profileBuckets = new KeyedBuckets(PROFILE_RATE, MAX_KEYS);
  return [
    route({
      method: "GET",
      path: "/api/v1/people",
      summary: "People, by id, in pages",
      access: STAFF,
      query: z.object({ after: idSchema.optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
      answers: z.object({ people: z.array(shownPersonSchema), total: z.number(), next: idSchema.nullable().describe("`after` of the next page; null on the last") }),
      async handle({ query }) {
        const people = await registry.people({ after: query.after ?? null, limit: query.limit });
        const next = people.length < query.limit ? null : (people.at(-1)?.profile.personId ?? null);
        return { status: 200, body: { people: people.map(shownPerson), total: await registry.countPeople(), next } };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/people",
      summary: "Add or replace a person; settings and consent of a known person stay unless given",
      access: OPERATOR,
      body: z.object({ profile: profileSchema, consent: consentSchema.omit({ atMs: true }).optional(), settings: settingsSchema.optional(), tagId: idSchema.optional() }).strict(),
      status: 201,
      answers: shownPersonSchema,
      errors: ["limit"],
      async handle({ body }) {
        const { personId } = body.profile;
        if (isReservedPersonId(personId)) throw new ClientError("bad_request", "body.profile.personId: ids that begin with login: are reserved");
        if ((await registry.person(personId)) === null && (await registry.countPeople()) >= MAX_PEOPLE_PER_EVENT) throw new ClientError("limit", `an event has at most ${MAX_PEOPLE_PER_EVENT} people`);
        const choices = { ...(body.settings === undefined ? {} : { settings: body.settings }), ...(body.consent === undefined ? {} : { consent: body.consent }) };
        if (!(await desk.staffMayPut(personId, choices))) throw new ClientError("forbidden", "this person has decided to show less: only they can change that");
        await desk.putPerson({
          profile: body.profile,
          ...(body.settings === undefined ? {} : { settings: body.settings }),
          ...(body.consent === undefined ? {} : { consent: { ...body.consent, atMs: nowMs() } }),
        });
        if (body.tagId !== undefined) await desk.assignTag(body.tagId, personId);
        const person = await registry.person(personId);
        if (person === null) throw new ClientError("not_found", "the person was erased meanwhile");
        return { status: 201, body: shownPerson(person) };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/people/import",
      summary: "People from CSV; a bad row costs only itself and is reported by its line",
      access: OPERATOR,
      body: z.string().describe("first line: personId,name,role,company,interests,lookingFor,tagId,consent,level; interests separated by ;, consent yes or no"),
      bodyType: "text/csv",
      maxBodyBytes: MAX_IMPORT_BYTES,
      answers: z.object({ added: z.number(), updated: z.number(), refused: z.number(), problems: z.array(z.object({ line: z.number(), detail: z.string() })) }),
      errors: ["too_large"],
      handle: async ({ body }) => ({ status: 200, body: await importPeople(body, { registry, desk, nowMs }) }),
    }),
    route({
      method: "GET",
      path: "/api/v1/people/{personId}",
      summary: "One person; kept for them to read, with the reason if one is given",
      access: STAFF,
      params: personParams,
      query: z.object({ reason: z.string().trim().max(200).optional() }),
      answers: shownPersonSchema,
      errors: ["not_found"],
      async handle({ params, query, claims }) {
        const person = (await registry.person(params.personId)) ?? notFound();
        const afterMs = profileBuckets.take(claims?.subject ?? "", nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "look up fewer people", afterMs);
        await desk.recordLookup(params.personId, { atMs: nowMs(), by: claims?.subject ?? "", what: "profile", reason: query.reason ?? "" });
        return { status: 200, body: shownPerson(person) };
      },
    }),
    route({
      method: "DELETE",
      path: "/api/v1/people/{personId}",
      summary: "Erase a person, at once and everywhere",
      access: OPERATOR,
      params: personParams,
      answers: erasureReceiptSchema,
      errors: ["not_found"],
      handle: async ({ params }) => receiptOf(await desk.erase(params.personId)),
    }),
    route({
      method: "PUT",
      path: "/api/v1/tags/{tagId}",
      summary: "Give a tag to a person; former ties of both are cut",
      access: STAFF,
      params: tagParams,
      body: personParams.strict(),
      answers: okSchema,
      errors: ["not_found"],
      handle: async ({ params, body }) => ((await desk.assignTag(params.tagId, body.personId)) ? { status: 200, body: { ok: true } } : notFound()),
    }),
    route({
      method: "DELETE",
      path: "/api/v1/tags/{tagId}",
      summary: "Take a tag back",
      access: STAFF,
      params: tagParams,
      answers: okSchema,
      errors: ["not_found"],
      async handle({ params }) {
        if (!(await desk.releaseTag(params.tagId))) throw new ClientError("not_found", "nobody carries this tag");
        return { status: 200, body: { ok: true } };
      },
    }),
  ];
}

// --- oneself ----------------------------------------------------------------------------------------

function ownRoutes({ registry, desk, surroundings, people, nowMs }: RoutesOptions): Route[] {
  const nearbyBuckets = new KeyedBuckets(NEARBY_RATE, MAX_KEYS);
  return [
    route({
      method: "GET",
      path: "/api/v1/me",
      summary: "What is kept about me",
      access: "person",
      answers: personSchema.omit({ tagId: true }).extend({ settings: settingsSchema, hasTag: z.boolean() }),
      async handle({ claims }) {
        const { profile, consent, settings, tagId } = (await registry.person(personIdOf(claims))) ?? notFound();
        return { status: 200, body: { profile, consent, settings: settingsSchema.parse(settings), hasTag: tagId !== null } };
      },
    }),
    route({
      method: "DELETE",
      path: "/api/v1/me",
      summary: "Erase me, at once and everywhere",
      access: "person",
      answers: erasureReceiptSchema,
      handle: async ({ claims }) => receiptOf(await desk.erase(personIdOf(claims))),
    }),
    route({
      method: "GET",
      path: "/api/v1/me/privacy",
      summary: "My privacy settings",
      access: "person",
      answers: settingsSchema,
      handle: async ({ claims }) => ({ status: 200, body: settingsSchema.parse(((await registry.person(personIdOf(claims))) ?? notFound()).settings) }),
    }),
    route({
      method: "PATCH",
      path: "/api/v1/me/privacy",
      summary: `Change some of my privacy settings (levels: ${LEVELS.join(", ")}); in force when this answers`,
      access: "person",
      body: settingsChangeSchema,
      answers: settingsSchema,
      handle: async ({ claims, body }) => ({ status: 200, body: settingsSchema.parse(((await desk.changeSettings(personIdOf(claims), body)) ?? notFound()).settings) }),
    }),
    route({
      method: "PUT",
      path: "/api/v1/me/consent",
      summary: "Give or withdraw my consent; in force when this answers",
      access: "person",
      body: consentSchema.omit({ atMs: true }).strict(),
      answers: consentSchema,
      handle: async ({ claims, body }) => ({ status: 200, body: ((await desk.setConsent(personIdOf(claims), body.given, body.version)) ?? notFound()).consent }),
    }),
    route({
      method: "GET",
      path: "/api/v1/nearby",
      summary: "People near me, as far as each of them allows; where I am is what the venue knows, never what I say",
      access: "person",
      query: z.object({ within: z.enum(BANDS).default("50m"), interests: z.string().max(400).optional().describe("separated by commas; people who share one of them"), company: word, industry: word, jobFunction: word, lookingFor: word, sameCompany: flag, mutualConnections: flag, compatibleSchedule: flag, openToNetworking: flag }).strict(),
      answers: z.object({ people: z.array(nearbyPersonSchema).max(MAX_NEARBY_RESULTS) }),
      async handle({ query, claims }) {
        const personId = personIdOf(claims);
        const afterMs = nearbyBuckets.take(personId, nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "once a second is enough", afterMs);
        await people.loadPerson(personId);
        const interests = (query.interests ?? "").split(",").map((interest) => interest.trim()).filter((interest) => interest !== "");
        return { status: 200, body: { people: surroundings.nearby(viewerOf(claims, people), { ...query, interests }) } };
      },
    }),
  ];
}

export function viewerOf(claims: Claims | null, people: PeopleCache): Viewer {
  if (claims === null) return { role: "display", personId: null, self: null };
  return { role: claims.role, personId: claims.personId, self: claims.personId === null ? null : people.policyOf(claims.personId) };
}

function bearerOf({ login, role, personId, channels, system }: Login): Bearer {
  return { role, personId, loginName: login, ...(channels === undefined ? {} : { channels }), ...(system === undefined ? {} : { system }) };
}

export function personIdOf(claims: Claims | null): string {
  return claims?.personId ?? notFound();
}

function shownPerson(person: z.output<typeof personSchema>): z.output<typeof shownPersonSchema> {
  return { ...person, settings: settingsSchema.parse(person.settings) };
}

function receiptOf(receipt: ErasureReceipt | null) {
  return receipt === null ? notFound() : { status: 200, body: receipt };
}

export function notFound(): never {
  throw new ClientError("not_found", "no such person");
}
