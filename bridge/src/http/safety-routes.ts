import { z } from "zod";
import { AUDIENCES, LEVELS, idSchema, lookupSchema } from "@konferenco/protocol";
import { compilePolicy, levelFor, seesThings, viewerOf as asViewer } from "../core/privacy-policy.ts";
import { KeyedBuckets } from "../core/token-bucket.ts";
import { notFound, personIdOf, settingsSchema, viewerOf, type RoutesOptions } from "./routes.ts";
import { ClientError, EVERYBODY, route, type Route } from "./router.ts";

/** Requirement of the anchors' section 6.4: showing one's precise place to one connection ends by itself. */
const MAX_SHARE_MS = 2 * 60 * 60_000;
/** Look-ups of whereabouts by one member of staff: an emergency, not a habit. */
const STAFF_LOOKUP_RATE = { perS: 1 / 60, burst: 10 };
/** And of one person by one member of staff. */
const SAME_PERSON_RATE = { perS: 1 / 600, burst: 3 };
/** Questions of one person, whomever they ask about. */
const WHEREABOUTS_RATE = { perS: 1, burst: 20 };
const BLOCK_RATE = { perS: 1 / 2, burst: 30 };
const MAX_KEYS = 10_000;

const personParams = z.object({ personId: idSchema });
const okSchema = z.object({ ok: z.literal(true) });
const placeSchema = z
  .discriminatedUnion("level", [
    z.object({ level: z.literal("precise"), xM: z.number(), yM: z.number(), floor: z.number(), zoneId: idSchema.nullable() }),
    z.object({ level: z.literal("zone"), floor: z.number(), zoneId: idSchema }),
    z.object({ level: z.literal("venue") }),
  ])
  .nullable();

/** What a person can do and see for their own safety. */
export function safetyRoutes({ registry, desk, surroundings, people, nowMs }: RoutesOptions): Route[] {
  const asked = new KeyedBuckets(WHEREABOUTS_RATE, MAX_KEYS);
  const lookedUp = new KeyedBuckets(STAFF_LOOKUP_RATE, MAX_KEYS);
  const samePerson = new KeyedBuckets(SAME_PERSON_RATE, MAX_KEYS);
  const blocks = new KeyedBuckets(BLOCK_RATE, MAX_KEYS);
  const paced = (buckets: KeyedBuckets, key: string, detail: string) => {
    const afterMs = buckets.take(key, nowMs());
    if (afterMs > 0) throw new ClientError("rate_limited", detail, afterMs);
  };
  const self = async (claims: Parameters<typeof personIdOf>[0]) => (await registry.person(personIdOf(claims))) ?? notFound();
  return [
    route({
      method: "GET",
      path: "/api/v1/people/{personId}/whereabouts",
      summary: "Where one person is, as far as they let the asker know; hidden, absent, blocked and unknown are the same null. Staff give a reason, and the person can read it",
      access: EVERYBODY,
      params: personParams,
      query: z.object({ reason: z.string().trim().max(200).optional() }).strict(),
      answers: z.object({ place: placeSchema }),
      async handle({ params, query, claims }) {
        const viewer = viewerOf(claims, people);
        const subject = claims?.subject ?? "";
        if (seesThings(viewer)) {
          const reason = query.reason ?? "";
          if (reason.length < 5) throw new ClientError("bad_request", "query.reason: staff say why they look somebody up; the person can read it");
          paced(lookedUp, subject, "too many people looked up: ask the person in charge");
          paced(samePerson, `${subject} ${params.personId}`, "this person was looked up just now");
          // What is not written down is not answered.
          await desk.recordLookup(params.personId, { atMs: nowMs(), by: subject, what: "whereabouts", reason });
          surroundings.noteLookup(subject);
        } else paced(asked, subject, "once a second is enough");
        return { status: 200, body: { place: surroundings.whereabouts(params.personId, viewer) } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/me/viewers",
      summary: "Who can see me now: by audience, and each connection by name",
      access: "person",
      answers: z.object({
        audiences: z.array(z.object({ audience: z.enum(AUDIENCES), level: z.enum(LEVELS) })),
        people: z.array(z.object({ personId: idSchema, name: z.string(), audience: z.enum(AUDIENCES), level: z.enum(LEVELS), untilMs: z.number().nullable() })),
        connections: z.array(z.object({ personId: idSchema, name: z.string() })).describe("mutual ones, whom a precise place can be shown"),
        blocked: z.array(z.string()),
        findableBy: z.string(),
      }),
      async handle({ claims }) {
        const person = await self(claims);
        const policy = compilePolicy(person, { nowMs: nowMs(), finest: people.finest });
        const known = await Promise.all(person.profile.connections.map((personId) => people.loadPerson(personId)));
        const friends = known.filter((other) => other !== null).filter(({ profile: { personId, connections } }) => connections.includes(policy.personId) && policy.blocked?.has(personId) !== true);
        const seen = friends.flatMap((other) => {
          const { personId, name } = other.profile;
          // Blocking is silent: whether they have blocked me makes no difference to this list.
          const level = levelFor(policy, asViewer({ ...compilePolicy(other), blocked: null }));
          return level === "hidden" ? [] : [{ personId, name, audience: "connections" as const, level, untilMs: policy.shares?.get(personId) ?? null }];
        });
        const connections = friends.map(({ profile: { personId, name } }) => ({ personId, name }));
        const audiences = AUDIENCES.map((audience) => ({ audience, level: policy.levels[audience] }));
        return { status: 200, body: { audiences, people: seen, connections, blocked: person.settings.blocked ?? [], findableBy: policy.discoverability } };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/me/panic",
      summary: "Hide me everywhere, at once: from everybody, staff included; in force when this answers",
      access: "person",
      answers: settingsSchema,
      handle: async ({ claims }) => ({ status: 200, body: settingsSchema.parse(((await desk.panic(personIdOf(claims))) ?? notFound()).settings) }),
    }),
    route({
      method: "GET",
      path: "/api/v1/me/audit",
      summary: "Who of the staff has looked me up, when and why",
      access: "person",
      answers: z.object({ lookups: z.array(lookupSchema) }),
      handle: async ({ claims }) => ({ status: 200, body: { lookups: (await self(claims)).settings.lookups ?? [] } }),
    }),
    route({
      method: "PUT",
      path: "/api/v1/me/blocks/{personId}",
      summary: "Block somebody, silently: neither sees anything of the other, anywhere",
      access: "person",
      params: personParams,
      answers: okSchema,
      errors: ["limit"],
      handle: async ({ params, claims }) => setBlocked(personIdOf(claims), params.personId, true),
    }),
    route({
      method: "DELETE",
      path: "/api/v1/me/blocks/{personId}",
      summary: "Unblock somebody",
      access: "person",
      params: personParams,
      answers: okSchema,
      handle: async ({ params, claims }) => setBlocked(personIdOf(claims), params.personId, false),
    }),
    route({
      method: "PUT",
      path: "/api/v1/me/shares/{personId}",
      summary: "Show one connection my precise place, for two hours at most",
      access: "person",
      params: personParams,
      body: z.object({ minutes: z.number().min(1).max(MAX_SHARE_MS / 60_000).default(MAX_SHARE_MS / 60_000) }).strict(),
      answers: z.object({ untilMs: z.number() }),
      errors: ["limit"],
      async handle({ params, body, claims }) {
        const untilMs = nowMs() + body.minutes * 60_000;
        if (!(await desk.setShare(personIdOf(claims), params.personId, untilMs))) throw new ClientError("limit", "too many shares at once: end one");
        return { status: 200, body: { untilMs } };
      },
    }),
    route({
      method: "DELETE",
      path: "/api/v1/me/shares/{personId}",
      summary: "Stop showing somebody my precise place",
      access: "person",
      params: personParams,
      answers: okSchema,
      async handle({ params, claims }) {
        await desk.setShare(personIdOf(claims), params.personId, null);
        return { status: 200, body: { ok: true } };
      },
    }),
  ];

  async function setBlocked(personId: string, other: string, blocked: boolean) {
    paced(blocks, personId, "too many changes of who is blocked");
    if (personId === other) throw new ClientError("bad_request", "one cannot block oneself");
    if (!(await desk.setBlocked(personId, other, blocked))) throw new ClientError("limit", "too many people are blocked");
    return { status: 200, body: { ok: true as const } };
  }
}
