import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  LEVELS,
  ROLES,
  applyPrivacyChange,
  defaultPrivacySettings,
  type Audience,
  type ClientEvent,
  type GatewayHealth,
  type Level,
  type Person,
  type Position,
  type PrivacyChange,
  type Role,
  type Update,
} from "@konferenco/protocol";
import {
  audienceOf,
  compilePolicy,
  isDiscoverable,
  levelFor,
  mayHearOfNear,
  mayMeet,
  type Holder,
  type SubjectPolicy,
  type Viewer,
  type ViewerRole,
} from "../../../bridge/src/core/privacy-policy.ts";
import {
  activityFor,
  bandOf,
  projectUpdate,
  sharesZone,
  showActivity,
  showAlert,
  showGateway,
  showNearby,
  showOccupancy,
  showOwnSettings,
  showSerendipity,
  showStanding,
  showZoneNear,
  snap,
  whereaboutsOf,
  type Doing,
  type Standing,
} from "../../../bridge/src/core/privacy.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

// --- people and updates ----------------------------------------------------------------------------

function person(personId: string, options: { role?: Role; consent?: boolean; change?: PrivacyChange; connections?: string[]; consentAtMs?: number } = {}): Person {
  const { role = "attendee", consent = true, change = {}, connections = [], consentAtMs = 0 } = options;
  return {
    profile: { personId, name: `Name ${personId}`, role, company: "Acme", interests: ["AI"], lookingFor: "", connections },
    tagId: `tag-of-${personId}`,
    consent: { given: consent, atMs: consentAtMs, version: "1" },
    settings: applyPrivacyChange(defaultPrivacySettings(), change),
  };
}

const allLevels = (level: Level) => ({ connections: level, attendees: level, exhibitors: level, speakers: level, staff: level });
const policy = (...args: Parameters<typeof person>): SubjectPolicy => compilePolicy(person(...args));
const viewer = (role: ViewerRole, self: SubjectPolicy | null = null): Viewer => ({ role, personId: self?.personId ?? null, self });

const position: Position = { tagId: "tag-of-anna", atMs: NOW_MS, xM: 12.345, yM: -6.789, floor: 1, vxMps: 0.7, vyMps: 0.1, accuracy95M: 0.37, confidence: 0.876, source: "beacon", zoneId: "room-a" };
const bodies = {
  position: { kind: "position", position },
  zone: { kind: "zone", zone: { transition: "enter", tagId: "tag-of-anna", zoneId: "room-a", floor: 1, atMs: NOW_MS, confidence: 0.9 } },
  proximity: { kind: "proximity", proximity: { transition: "near", tagA: "tag-of-anna", tagB: "tag-of-ben", atMs: NOW_MS, distanceM: 1.73, confidence: 0.9 } },
  alert: { kind: "alert", alert: { alertId: "a-1", severity: "emergency", title: "Fire", text: "Leave", zoneIds: ["room-a"], atMs: NOW_MS } },
  gateway: { kind: "gateway", gateway: { gatewayId: "gw-1", state: "online", atMs: NOW_MS, lastReportAtMs: null, observationsPerS: 3, clockOffsetMs: null } },
} as const satisfies Record<string, Update["body"]>;

const update = (body: Update["body"], storedAtMs = NOW_MS): Update => ({ updateId: { epoch: "e", offset: 4711 }, storedAtMs, body });
const holders = (known: Record<string, Holder>) => (tagId: string) => known[tagId] ?? ("unknown" as const);

function seen(body: Update["body"], who: Viewer, known: Record<string, Holder>): ClientEvent | null {
  const shown = projectUpdate(update(body), "ref", holders(known)).forViewer(who);
  return shown === null ? null : (JSON.parse(shown.json) as ClientEvent);
}

// --- the truth table -------------------------------------------------------------------------------

/** Every kind of viewer, and whose level counts for them (null: sees no person at all). */
const VIEWERS: { name: string; audience: Audience | "self" | null; things: boolean; make: () => { viewer: Viewer; connections: string[] } }[] = [
  { name: "the person themselves", audience: "self", things: false, make: () => ({ viewer: viewer("attendee", policy("anna")), connections: [] }) },
  { name: "a connection", audience: "connections", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { connections: ["anna"] })), connections: ["ben"] }) },
  { name: "a connection who is an exhibitor", audience: "connections", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { role: "exhibitor", connections: ["anna"] })), connections: ["ben"] }) },
  { name: "somebody who names the person as a connection, unanswered", audience: "attendees", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { connections: ["anna"] })), connections: [] }) },
  { name: "somebody whom the person names as a connection, unanswered", audience: "attendees", things: false, make: () => ({ viewer: viewer("attendee", policy("ben")), connections: ["ben"] }) },
  { name: "an attendee", audience: "attendees", things: false, make: () => ({ viewer: viewer("attendee", policy("ben")), connections: [] }) },
  { name: "an exhibitor", audience: "exhibitors", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { role: "exhibitor" })), connections: [] }) },
  { name: "a speaker", audience: "speakers", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { role: "speaker" })), connections: [] }) },
  { name: "a member of staff by profile alone", audience: "staff", things: false, make: () => ({ viewer: viewer("attendee", policy("ben", { role: "staff" })), connections: [] }) },
  { name: "a staff login", audience: "staff", things: true, make: () => ({ viewer: viewer("staff"), connections: [] }) },
  { name: "a staff login of a connection", audience: "connections", things: true, make: () => ({ viewer: viewer("staff", policy("ben", { connections: ["anna"] })), connections: ["ben"] }) },
  { name: "an operator", audience: "staff", things: true, make: () => ({ viewer: viewer("operator"), connections: [] }) },
  { name: "a screen", audience: null, things: false, make: () => ({ viewer: viewer("display"), connections: [] }) },
  { name: "a screen with a person's login", audience: null, things: false, make: () => ({ viewer: viewer("display", policy("anna")), connections: [] }) },
  { name: "an attendee login that is no registered person", audience: null, things: false, make: () => ({ viewer: viewer("attendee"), connections: [] }) },
];

/** What is left of a level under a cap, written out: a table does not share a mistake with the code. */
const CAPPED: Record<Level, Record<Level, Level>> = {
  hidden: { hidden: "hidden", venue: "hidden", zone: "hidden", precise: "hidden" },
  venue: { hidden: "hidden", venue: "venue", zone: "venue", precise: "venue" },
  zone: { hidden: "hidden", venue: "venue", zone: "zone", precise: "zone" },
  precise: { hidden: "hidden", venue: "venue", zone: "zone", precise: "precise" },
};

const SHOWS: Record<"position" | "zone", Record<Level, boolean>> = {
  position: { hidden: false, venue: false, zone: false, precise: true },
  zone: { hidden: false, venue: false, zone: true, precise: true },
};

describe.each(VIEWERS)("what $name sees of a person", ({ audience, things, make }) => {
  const cases = [true, false].flatMap((consent) => LEVELS.flatMap((overall) => LEVELS.map((own) => ({ consent, overall, own }))));

  it.each(cases)("with consent $consent, overall level $overall, level for the audience $own", ({ consent, overall, own }) => {
    const { viewer: who, connections } = make();
    // All other audiences get the opposite: a policy that reads the wrong one fails.
    const others = allLevels(own === "precise" || own === "zone" ? "hidden" : "precise");
    const audiences = audience === null || audience === "self" ? allLevels(own) : { ...others, [audience]: own };
    const anna = policy("anna", { consent, change: { level: overall, audiences }, connections });
    const level: Level = !consent || audience === null ? "hidden" : audience === "self" ? "precise" : CAPPED[overall][own];
    expect(audienceOf(anna, who)).toBe(audience);
    expect(levelFor(anna, who)).toBe(level);

    const subj = audience === "self" ? { who: "me" } : { who: "person", personId: "anna", name: "Name anna" };
    const exact = { xM: 12.345, yM: -6.789, accuracy95M: 0.37, confidence: 0.876, source: "beacon" };
    const onGrid = { xM: 12, yM: -7, accuracy95M: 1, confidence: 0.9 };
    const known = { "tag-of-anna": anna };
    expect(seen(bodies.position, who, known)).toEqual(
      SHOWS.position[level] ? { t: "position", at: NOW_MS, d: { subj, level: "precise", ...(audience === "self" ? exact : onGrid), floor: 1, zoneId: "room-a" } } : null,
    );
    for (const transition of ["enter", "dwell", "exit"] as const) {
      const body = { kind: "zone", zone: { ...bodies.zone.zone, transition } } as const;
      expect(seen(body, who, known)).toEqual(SHOWS.zone[level] ? { i: "ref", st: NOW_MS, t: `zone.${transition}`, at: NOW_MS, d: { subj, zoneId: "room-a", floor: 1 } } : null);
    }
    // The state in a snapshot is what the events would have told.
    const standing: Standing = { tagId: "tag-of-anna", position, zoneId: "room-a", floor: 1, zoneSinceMs: 17 };
    const state = showStanding(standing, anna, who);
    const expected = SHOWS.position[level] ? { t: "position" } : SHOWS.zone[level] ? { t: "zone.enter", at: 17, d: { subj, zoneId: "room-a", floor: 1 } } : null;
    if (expected === null) expect(state).toBeNull();
    else expect(JSON.parse(state?.json ?? "null")).toMatchObject(expected);
    expect(showStanding({ ...standing, zoneId: null, position: null }, anna, who)).toBeNull();
    if (SHOWS.zone[level]) expect(JSON.parse(showStanding({ ...standing, position: null }, anna, who)?.json ?? "null")).toMatchObject({ t: "zone.enter" });

    // Alerts are everybody's, gateways are for those who keep the venue running.
    expect(seen(bodies.alert, who, known)).toEqual({ i: "ref", st: NOW_MS, t: "alert", at: NOW_MS, d: bodies.alert.alert });
    expect(seen(bodies.gateway, who, known)).toEqual(things ? { t: "gateway", at: NOW_MS, d: bodies.gateway.gateway } : null);
  });

  it("a tag that nobody carries is a thing, exact, for those who keep the venue running", () => {
    const { viewer: who } = make();
    const known = { "tag-of-anna": "nobody" } as const;
    const subj = { who: "tag", tagId: "tag-of-anna" };
    expect(seen(bodies.position, who, known)).toEqual(things ? { t: "position", at: NOW_MS, d: { subj, level: "precise", xM: 12.345, yM: -6.789, floor: 1, zoneId: "room-a", accuracy95M: 0.37, confidence: 0.876, source: "beacon" } } : null);
    expect(seen(bodies.zone, who, known)).toEqual(things ? { i: "ref", st: NOW_MS, t: "zone.enter", at: NOW_MS, d: { subj, zoneId: "room-a", floor: 1 } } : null);
    const standing: Standing = { tagId: "tag-of-anna", position, zoneId: "room-a", floor: 1, zoneSinceMs: 17 };
    expect(showStanding(standing, "nobody", who) === null).toBe(!things);
    expect(showGateway(bodies.gateway.gateway, who) === null).toBe(!things);
  });

  it("a tag whose holder we do not know is nothing", () => {
    const { viewer: who } = make();
    expect(seen(bodies.position, who, {})).toBeNull();
    expect(seen(bodies.zone, who, {})).toBeNull();
    expect(seen(bodies.proximity, who, {})).toBeNull();
    expect(showStanding({ tagId: "x", position, zoneId: "room-a", floor: 1, zoneSinceMs: 0 }, "unknown", who)).toBeNull();
  });
});

// --- asked by name, and what somebody is doing -------------------------------------------------------

const shows = (level: Level, change: PrivacyChange = {}) => policy("anna", { change: { level: "precise", audiences: { ...allLevels("hidden"), attendees: level }, ...change } });
const byLevel = <T>(of: (level: Level) => T) => LEVELS.map((level) => of(level));

it("one who asks where somebody is hears the venue at venue, the zone at zone, a grid point at precise, and outside of all zones the venue", () => {
  const at = { xM: 12.345, yM: -6.789, floor: 1, zoneId: "room-a" };
  const ben = viewer("attendee", policy("ben"));
  expect(byLevel((level) => whereaboutsOf(shows(level), at, ben))).toEqual([null, { level: "venue" }, { level: "zone", floor: 1, zoneId: "room-a" }, { level: "precise", xM: 12, yM: -7, floor: 1, zoneId: "room-a" }]);
  expect(byLevel((level) => whereaboutsOf(shows(level), { ...at, zoneId: null }, ben))).toEqual([null, { level: "venue" }, { level: "venue" }, { level: "precise", xM: 12, yM: -7, floor: 1, zoneId: null }]);
});

describe("what somebody is doing", () => {
  const ofZone = { kind: "in_session", sessionId: "keynote" } as const;
  const exact = { kind: "at_booth", exhibitorId: "acme" } as const;
  const doing: Doing = { exact, ofZone };
  const ben = viewer("attendee", policy("ben"));
  const told = (holder: Holder, who: Viewer, what = doing) => {
    const shown = showActivity("tag-of-anna", holder, who, what, NOW_MS);
    return shown === null ? null : (JSON.parse(shown.json) as ClientEvent).d;
  };
  const anna = { who: "person", personId: "anna", name: "Name anna" };

  it("is never finer than the place: nothing below the zone, at the zone what the zone tells", () => {
    expect(byLevel((level) => activityFor(shows(level), ben, doing))).toEqual([null, null, ofZone, exact]);
    expect(byLevel((level) => told(shows(level), ben))).toEqual([null, null, { subj: anna, activity: ofZone }, { subj: anna, activity: exact }]);
  });

  it("is nothing of who does not show in which session they are, but to themselves", () => {
    const shy = shows("precise", { presence: { session: false } });
    expect(told(shy, ben)).toEqual({ subj: anna, activity: null });
    expect(told(shy, viewer("attendee", shy))).toEqual({ subj: { who: "me" }, activity: exact });
  });

  it("is a meeting without its name: which one is its people's to know", () => {
    const meeting: Doing = { exact: { kind: "in_meeting", meetingId: "m-1", name: "Offer", untilMs: 5 }, ofZone: null };
    expect(told(shows("precise"), ben, meeting)).toEqual({ subj: anna, activity: { kind: "in_meeting" } });
    const self = shows("precise");
    expect(told(self, viewer("attendee", self), meeting)).toEqual({ subj: { who: "me" }, activity: meeting.exact });
    expect(told(shows("precise"), ben, { exact: null, ofZone })).toEqual({ subj: anna, activity: null });
  });

  it("of a thing is for those who keep the venue running, of an unknown tag for nobody", () => {
    expect(told("nobody", viewer("staff"))).toEqual({ subj: { who: "tag", tagId: "tag-of-anna" }, activity: exact });
    expect(told("nobody", ben)).toBeNull();
    expect(told("unknown", viewer("staff"))).toBeNull();
  });

  it("travels with the positions, the latest of a subject", () => {
    const self = shows("precise");
    expect(showActivity("tag-of-anna", self, ben, doing, NOW_MS)).toMatchObject({ lane: 2, key: "activity anna", subject: "anna" });
    expect(showActivity("tag-of-anna", self, viewer("attendee", self), doing, NOW_MS)).toMatchObject({ lane: 2, key: "activity me", subject: "anna" });
  });
});

// --- near and apart --------------------------------------------------------------------------------

describe("two people come near each other", () => {
  const open: PrivacyChange = { proximityAlerts: true, level: "precise", audiences: allLevels("precise") };
  const pairOf = (a: Parameters<typeof person>[1] = {}, b: Parameters<typeof person>[1] = {}) => {
    const anna = policy("anna", { ...a, change: { ...open, ...a.change } });
    const ben = policy("ben", { ...b, change: { ...open, ...b.change } });
    const known = { "tag-of-anna": anna, "tag-of-ben": ben };
    const told = (who: Viewer) => seen(bodies.proximity, who, known);
    return { toAnna: told(viewer("attendee", anna)), toBen: told(viewer("attendee", ben)), told };
  };
  const of = (personId: string) => ({ i: "ref", st: NOW_MS, t: "near", at: NOW_MS, d: { subj: { who: "person", personId, name: `Name ${personId}` } } });

  it("each hears the other's name and no distance, when both opted in", () => {
    const { toAnna, toBen } = pairOf();
    expect(toAnna).toEqual(of("ben"));
    expect(toBen).toEqual(of("anna"));
  });

  const silent: [string, Parameters<typeof person>[1]][] = [
    ["did not opt in", { change: { proximityAlerts: false } }],
    ["did not consent", { consent: false }],
    ["is hidden", { change: { level: "hidden" } }],
    ["shows the venue only", { change: { level: "venue" } }],
    ["shows the zone only: metres would say more", { change: { level: "zone" } }],
    ["does not want to be disturbed: who is left alone is not found by it either", { change: { doNotDisturb: true } }],
    ["has blocked the other", { change: { blocked: ["anna", "ben"] } }],
    ["is hidden from attendees", { change: { audiences: { ...allLevels("precise"), attendees: "hidden" } } }],
  ];
  it.each(silent)("neither hears anything when one of them %s", (_, options) => {
    expect(pairOf(options)).toMatchObject({ toAnna: null, toBen: null });
    expect(pairOf({}, options)).toMatchObject({ toAnna: null, toBen: null });
  });

  it("connections and speakers come through to who does not want to be disturbed, unless they say otherwise", () => {
    const quiet: PrivacyChange = { doNotDisturb: true };
    expect(pairOf({ change: quiet, connections: ["ben"] }, { connections: ["anna"] })).toMatchObject({ toAnna: of("ben"), toBen: of("anna") });
    expect(pairOf({ change: quiet }, { role: "speaker" })).toMatchObject({ toAnna: of("ben"), toBen: of("anna") });
    expect(pairOf({ change: { ...quiet, doNotDisturbAllow: ["connections"] } }, { role: "speaker" })).toMatchObject({ toAnna: null, toBen: null });
    expect(pairOf({ change: { ...quiet, doNotDisturbAllow: [] }, connections: ["ben"] }, { connections: ["anna"] })).toMatchObject({ toAnna: null, toBen: null });
  });

  it("an exhibitor hears of nobody by default, for exhibitors see nobody by default", () => {
    expect(pairOf({ change: { audiences: { ...allLevels("precise"), exhibitors: "hidden" } } }, { role: "exhibitor" })).toMatchObject({ toAnna: null, toBen: null });
  });

  it("who names a quiet person as a connection, unanswered, or is named so, does not come through", () => {
    const quiet: PrivacyChange = { doNotDisturb: true };
    expect(pairOf({ change: quiet }, { connections: ["anna"] })).toMatchObject({ toAnna: null, toBen: null });
    expect(pairOf({ change: quiet, connections: ["ben"] })).toMatchObject({ toAnna: null, toBen: null });
  });

  it("by a zone that they share, each hears the other's name; neither does when one did not opt in", () => {
    const anna = policy("anna", { change: { proximityAlerts: true } });
    const ben = policy("ben", { change: { proximityAlerts: true } });
    const subj = { who: "person", personId: "ben", name: "Name ben" };
    const match = { topic: null, text: "", compatibility: 1, reasons: [] };
    const words = [showZoneNear(anna, ben, "near", NOW_MS), showZoneNear(anna, ben, "apart", NOW_MS), showSerendipity(anna, ben, match, NOW_MS)];
    expect(words.map((word) => JSON.parse(word?.json ?? "null") as unknown)).toEqual([{ t: "near", at: NOW_MS, d: { subj } }, { t: "apart", at: NOW_MS, d: { subj } }, { t: "serendipity", at: NOW_MS, d: { subj, ...match } }]);
    for (const word of words) expect(word).toMatchObject({ lane: 1, key: null, subject: "ben", offset: null, windowMs: 0 });
    for (const shut of [policy("ben"), policy("ben", { change: { proximityAlerts: true, blocked: ["anna"] } })]) {
      expect([showZoneNear(anna, shut, "near", NOW_MS), showSerendipity(anna, shut, match, NOW_MS)]).toEqual([null, null]);
    }
  });

  it("an office gives nobody a way around: rights are judged as attendees'", () => {
    const anna = policy("anna", { change: { ...open, audiences: { ...allLevels("precise"), attendees: "hidden" } } });
    const ben = policy("ben", { change: open });
    expect(seen(bodies.proximity, viewer("staff", ben), { "tag-of-anna": anna, "tag-of-ben": ben })).toBeNull();
    expect(mayHearOfNear(ben, anna)).toBe(false);
  });

  it("who looks with an office must be allowed to see the other in that office too", () => {
    const forStaff = (level: Level): PrivacyChange => ({ ...open, audiences: { ...allLevels("precise"), staff: level } });
    for (const level of LEVELS) {
      const [anna, ben] = [policy("anna", { change: forStaff(level) }), policy("ben", { change: forStaff(level) })];
      const known = { "tag-of-anna": anna, "tag-of-ben": ben };
      expect([seen(bodies.proximity, viewer("staff", anna), known), seen(bodies.proximity, viewer("staff", ben), known)]).toEqual(level === "precise" ? [of("ben"), of("anna")] : [null, null]);
    }
  });

  it("nobody else hears of the two: staff, screens, other people", () => {
    const { told } = pairOf();
    for (const who of [viewer("staff"), viewer("operator"), viewer("display"), viewer("attendee", policy("cleo", { change: open })), viewer("staff", policy("cleo")), viewer("attendee")]) expect(told(who)).toBeNull();
  });

  it("a screen on a person's login hears nothing of that person's pairs", () => {
    const { told } = pairOf();
    expect(told(viewer("display", policy("anna", { change: open })))).toBeNull();
  });
});

// --- replay ----------------------------------------------------------------------------------------

describe("a replay shows at most what was allowed then and is allowed now", () => {
  const replayed = (storedAtMs: number, who: Viewer, known: Record<string, Holder>, body: Update["body"] = bodies.zone) => projectUpdate(update(body, storedAtMs), "ref", holders(known)).forReplay(who, NOW_MS) !== null;
  const ben = viewer("attendee", policy("ben"));

  it("whereabouts of others for one hour, one's own for a day, alerts for a day", () => {
    const anna = policy("anna");
    const known = { "tag-of-anna": anna };
    expect(replayed(NOW_MS - HOUR_MS, ben, known)).toBe(true);
    expect(replayed(NOW_MS - HOUR_MS - 1, ben, known)).toBe(false);
    const self = viewer("attendee", anna);
    expect(replayed(NOW_MS - 24 * HOUR_MS, self, known)).toBe(true);
    expect(replayed(NOW_MS - 24 * HOUR_MS - 1, self, known)).toBe(false);
    expect(replayed(NOW_MS - 24 * HOUR_MS, ben, known, bodies.alert)).toBe(true);
    expect(replayed(NOW_MS - 24 * HOUR_MS - 1, ben, known, bodies.alert)).toBe(false);
  });

  it("nothing from before a level was raised, to others; oneself sees it", () => {
    const anna = policy("anna", { change: { raisedAtMs: NOW_MS - 1_000 } });
    expect(replayed(NOW_MS - 1_001, ben, { "tag-of-anna": anna })).toBe(false);
    expect(replayed(NOW_MS - 1_000, ben, { "tag-of-anna": anna })).toBe(true);
    expect(replayed(NOW_MS - 1_001, viewer("attendee", anna), { "tag-of-anna": anna })).toBe(true);
  });

  it("nothing from before the tag was theirs or consent was given, to nobody", () => {
    const newHolder = policy("anna", { change: { tagSinceMs: NOW_MS - 1_000 } });
    const newConsent = policy("anna", { consentAtMs: NOW_MS - 1_000 });
    for (const anna of [newHolder, newConsent]) {
      for (const who of [ben, viewer("attendee", anna), viewer("operator")]) {
        expect(replayed(NOW_MS - 1_001, who, { "tag-of-anna": anna })).toBe(false);
        expect(replayed(NOW_MS - 1_000, who, { "tag-of-anna": anna })).toBe(true);
      }
    }
  });

  it("nothing of a person who is hidden now, and nothing of things: the tag may have been a person's then", () => {
    expect(replayed(NOW_MS, ben, { "tag-of-anna": policy("anna", { change: { level: "hidden" } }) })).toBe(false);
    expect(replayed(NOW_MS, viewer("operator"), { "tag-of-anna": "nobody" })).toBe(false);
    expect(replayed(NOW_MS, viewer("operator"), {})).toBe(false);
  });

  it("near and apart for one hour, and only from when both had agreed", () => {
    const pair = (change: PrivacyChange, consentAtMs = 0) => {
      const open: PrivacyChange = { proximityAlerts: true, level: "precise", audiences: allLevels("precise") };
      const anna = policy("anna", { change: open });
      const other = policy("ben", { change: { ...open, ...change }, consentAtMs });
      return (storedAtMs: number) => replayed(storedAtMs, viewer("attendee", anna), { "tag-of-anna": anna, "tag-of-ben": other }, bodies.proximity);
    };
    expect(pair({})(NOW_MS - HOUR_MS)).toBe(true);
    expect(pair({})(NOW_MS - HOUR_MS - 1)).toBe(false);
    for (const late of [pair({ raisedAtMs: NOW_MS - 9 }), pair({ tagSinceMs: NOW_MS - 9 }), pair({}, NOW_MS - 9)]) {
      expect(late(NOW_MS - 10)).toBe(false);
      expect(late(NOW_MS - 9)).toBe(true);
    }
  });
});

// --- near me ---------------------------------------------------------------------------------------

describe("bands of people nearby", () => {
  const from = { xM: 0, yM: 0, floor: 0, zoneId: "room-a" };
  const ben = viewer("attendee", policy("ben"));
  const band = (change: PrivacyChange, at: Partial<typeof from>, who = ben) => bandOf(policy("anna", { change }), { ...from, ...at }, who, from);
  const precise: PrivacyChange = { level: "precise", audiences: allLevels("precise") };

  it.each([
    [10, "10m"],
    [10.4, "10m"],
    [10.6, "50m"],
    [50.4, "50m"],
    [50.6, "same_zone"],
  ] as const)("someone precise at %d m is %s: distances are between grid points", (xM, expected) => expect(band(precise, { xM })).toBe(expected));

  it("both ends of a distance are grid points, on both axes", () => {
    const standing = { xM: 100.4, yM: 50.4, floor: 0, zoneId: null };
    const of = (xM: number, yM: number, from = standing) => bandOf(policy("anna", { change: precise }), { ...standing, xM, yM }, ben, from);
    // From (100, 50): 10 m to 110.49 and 60.49, which are 10 m away on the grid and 10.09 m off it.
    expect([of(110.49, 50.4), of(100.4, 60.49), of(110.51, 50.4), of(100.4, 60.51)]).toEqual(["10m", "10m", "50m", "50m"]);
    expect([of(100.4, 50.4, { ...standing, xM: 90.49 }), of(100.4, 50.4, { ...standing, yM: 40.49 })]).toEqual(["10m", "10m"]);
    expect([of(100.4, 50.4, { ...standing, xM: 89.51 }), of(100.4, 50.4, { ...standing, yM: 39.51 })]).toEqual(["10m", "10m"]);
    expect([of(100.4, 50.4, { ...standing, xM: 89.49 }), of(100.4, 50.4, { ...standing, yM: 39.49 })]).toEqual(["50m", "50m"]);
  });

  it("a band that was told is left at 1.3 of its radius, and is never one that the level does not allow", () => {
    const of = (xM: number, held?: "10m" | "50m", change: PrivacyChange = precise) => bandOf(policy("anna", { change }), { ...from, zoneId: "room-b", xM: from.xM + xM }, ben, from, held);
    expect([of(13), of(13, "10m"), of(14, "10m"), of(13, "50m")]).toEqual(["50m", "10m", "50m", "50m"]);
    expect([of(65), of(65, "50m"), of(65, "10m"), of(66, "50m")]).toEqual(["same_venue", "50m", "50m", "same_venue"]);
    expect(of(5, "10m", {})).toBe("same_venue");
  });

  it("one at zone level is in the same zone or just at the venue, however near", () => {
    expect(band({}, { xM: 1 })).toBe("same_zone");
    expect(band({}, { xM: 1, zoneId: "room-b" })).toBe("same_venue");
  });

  it("one at venue level is at the venue, one hidden is nowhere", () => {
    expect(band({ level: "venue" }, { xM: 1 })).toBe("same_venue");
    expect(band({ level: "hidden" }, { xM: 1 })).toBeNull();
  });

  it("floors are apart, however near on the map", () => {
    expect(band(precise, { xM: 1, floor: 1, zoneId: "above" })).toBe("same_venue");
  });

  it("outside of all zones nobody shares one", () => {
    const outside = { ...from, zoneId: null };
    expect(bandOf(policy("anna"), outside, ben, outside)).toBe("same_venue");
    expect(sharesZone(policy("anna"), outside, ben, outside)).toBe(false);
  });

  it("who shares a zone is known of those alone who show their zone", () => {
    expect(sharesZone(policy("anna"), from, ben, from)).toBe(true);
    expect(sharesZone(policy("anna", { change: { level: "venue" } }), from, ben, from)).toBe(false);
    expect(sharesZone(policy("anna"), { ...from, zoneId: "room-b" }, ben, from)).toBe(false);
  });

  it("who does not want to be found is not found", () => {
    expect(band({ ...precise, discoverability: "hidden" }, {})).toBeNull();
    expect(band({ ...precise, discoverability: "connections" }, {})).toBeNull();
    const friend = policy("anna", { change: { ...precise, discoverability: "connections" }, connections: ["ben"] });
    expect(isDiscoverable(friend, viewer("attendee", policy("ben", { connections: ["anna"] })))).toBe(true);
    expect(isDiscoverable(friend, ben)).toBe(false);
  });
});

// --- properties ------------------------------------------------------------------------------------

const anyLevel = fc.constantFrom(...LEVELS);
const anyPolicy = (personId: string) =>
  fc
    .record({
      level: anyLevel,
      audiences: fc.record({ connections: anyLevel, attendees: anyLevel, exhibitors: anyLevel, speakers: anyLevel, staff: anyLevel }),
      consent: fc.boolean(),
      proximityAlerts: fc.boolean(),
      doNotDisturb: fc.boolean(),
      connections: fc.subarray(["anna", "ben", "cleo"]),
      role: fc.constantFrom(...ROLES),
    })
    .map(({ level, audiences, consent, proximityAlerts, doNotDisturb, connections, role }) =>
      policy(personId, { role, consent, connections, change: { level, audiences, proximityAlerts, doNotDisturb } }),
    );
const anyViewer = fc.tuple(fc.constantFrom<ViewerRole>("operator", "staff", "display", "attendee"), fc.option(anyPolicy("ben"), { nil: null })).map(([role, self]) => viewer(role, self));
const anyPosition = fc
  .record({ xM: fc.double({ min: -500, max: 500, noNaN: true }), yM: fc.double({ min: -500, max: 500, noNaN: true }), accuracy95M: fc.double({ min: 0.01, max: 99, noNaN: true }), confidence: fc.double({ min: 0, max: 1, noNaN: true }) })
  .map((place): Position => ({ ...position, ...place }));

describe("whatever the policies are", () => {
  it("an update never holds more than its level allows", () => {
    fc.assert(
      fc.property(anyPolicy("anna"), anyViewer, anyPosition, (anna, who, place) => {
        const level = levelFor(anna, who);
        const known = { "tag-of-anna": anna };
        const shown = projectUpdate(update({ kind: "position", position: place }), null, holders(known)).forViewer(who);
        if (level !== "precise") expect(shown).toBeNull();
        if (shown !== null) {
          const { d } = JSON.parse(shown.json) as Extract<ClientEvent, { t: "position" }>;
          expect(Number.isInteger(d.xM) && Number.isInteger(d.yM) && d.accuracy95M >= 1 && Number.isInteger(d.confidence * 10)).toBe(true);
          expect(Math.abs(d.xM - place.xM)).toBeLessThanOrEqual(0.5);
          expect(shown.json).not.toContain("tag-of");
        }
        const zone = projectUpdate(update(bodies.zone), "ref", holders(known)).forViewer(who);
        expect(zone !== null).toBe(level === "zone" || level === "precise");
        expect(zone?.json ?? "").not.toMatch(/tag-of|xM|yM|confidence|accuracy|source/);
      }),
    );
  });

  it("two positions of one grid cell are the same to others", () => {
    fc.assert(
      fc.property(fc.integer({ min: -99, max: 99 }), fc.double({ min: -0.49, max: 0.49, noNaN: true }), fc.double({ min: -0.49, max: 0.49, noNaN: true }), (cell, a, b) => {
        const anna = policy("anna", { change: { level: "precise", audiences: allLevels("precise") } });
        const at = (offset: number) => projectUpdate(update({ kind: "position", position: { ...position, xM: cell + offset } }), null, () => anna).forViewer(viewer("staff"))?.json;
        expect(at(a)).toBe(at(b));
      }),
    );
  });

  it("two viewers of one audience are given the very same object", () => {
    fc.assert(
      fc.property(anyPolicy("anna"), anyViewer, anyViewer, (anna, one, other) => {
        fc.pre(audienceOf(anna, one) === audienceOf(anna, other));
        for (const body of [bodies.zone, bodies.position]) {
          const projection = projectUpdate(update(body), "ref", () => anna);
          expect(projection.forViewer(one)).toBe(projection.forViewer(other));
        }
      }),
    );
  });

  it("what is shown to one and the same is made once, of things, pairs and for all too", () => {
    const open: PrivacyChange = { proximityAlerts: true, level: "precise", audiences: allLevels("precise") };
    const [anna, ben] = [policy("anna", { change: open }), policy("ben", { change: open })];
    const twice = (body: Update["body"], who: Viewer, known: Record<string, Holder>) => {
      const projection = projectUpdate(update(body), "ref", holders(known));
      const first = projection.forViewer(who);
      expect(first).not.toBeNull();
      expect(projection.forViewer(who)).toBe(first);
    };
    twice(bodies.position, viewer("staff"), { "tag-of-anna": "nobody" });
    twice(bodies.position, viewer("attendee", anna), { "tag-of-anna": anna });
    for (const self of [anna, ben]) twice(bodies.proximity, viewer("attendee", self), { "tag-of-anna": anna, "tag-of-ben": ben });
    twice(bodies.alert, viewer("display"), {});
    twice(bodies.gateway, viewer("staff"), {});
  });

  it("hidden, absent and unknown are the same to anybody: nothing", () => {
    fc.assert(
      fc.property(anyPolicy("anna"), anyViewer, (anna, who) => {
        fc.pre(levelFor(anna, who) === "hidden");
        for (const body of [bodies.zone, bodies.position, bodies.proximity]) {
          const toThem = (holder: Holder) => projectUpdate(update(body), "ref", holders({ "tag-of-anna": holder, "tag-of-ben": who.self ?? "unknown" })).forViewer(who);
          expect(toThem(anna)).toBe(toThem("unknown"));
        }
        const place = { xM: 0, yM: 0, floor: 0, zoneId: "room-a" };
        expect(bandOf(anna, place, who, place)).toBeNull();
      }),
    );
  });

  it("near is heard of by both or by neither", () => {
    fc.assert(
      fc.property(anyPolicy("anna"), anyPolicy("ben"), (anna, ben) => {
        expect(mayHearOfNear(anna, ben)).toBe(mayHearOfNear(ben, anna));
        expect(mayMeet(anna, ben)).toBe(mayMeet(ben, anna));
        if (mayHearOfNear(anna, ben)) {
          expect(anna.consented && ben.consented && anna.proximityAlerts && ben.proximityAlerts && mayMeet(anna, ben)).toBe(true);
          expect(levelFor(ben, viewer("attendee", anna))).toBe("precise");
          expect(levelFor(anna, viewer("attendee", ben))).toBe("precise");
        }
      }),
    );
  });

  it("lowering any level never shows anybody more", () => {
    const rank = (level: Level) => LEVELS.indexOf(level);
    fc.assert(
      fc.property(anyPolicy("anna"), anyLevel, anyViewer, (anna, cap, who) => {
        const settings = { level: cap, audiences: anna.levels };
        const lowered = policy("anna", { role: anna.role, consent: anna.consented, connections: [...anna.connections], change: settings });
        expect(rank(levelFor(lowered, who))).toBeLessThanOrEqual(rank(levelFor(anna, who)));
      }),
    );
  });

  it("a replay shows nothing that a live update would not", () => {
    fc.assert(
      fc.property(anyPolicy("anna"), anyViewer, fc.integer({ min: 0, max: 30 * HOUR_MS }), (anna, who, ageMs) => {
        const projection = projectUpdate(update(bodies.zone, NOW_MS - ageMs), "ref", () => anna);
        const replayed = projection.forReplay(who, NOW_MS);
        if (replayed !== null) expect(replayed).toBe(projection.forViewer(who));
      }),
    );
  });
});

// --- lanes and keys --------------------------------------------------------------------------------

describe("how an update travels", () => {
  const anna = policy("anna", { change: { level: "precise", audiences: allLevels("precise") } });
  const shown = (body: Update["body"], who: Viewer) => projectUpdate(update(body), "ref", () => anna).forViewer(who);

  it("alerts in lane 0, transitions in 1, positions in 2, gateways, counts and people nearby in 3", () => {
    const staff = viewer("staff");
    expect([bodies.alert, bodies.zone, bodies.position, bodies.gateway].map((body) => shown(body, staff)?.lane)).toEqual([0, 1, 2, 3]);
    const open: PrivacyChange = { proximityAlerts: true, level: "precise", audiences: allLevels("precise") };
    const pair = { "tag-of-anna": policy("anna", { change: { ...open } }), "tag-of-ben": policy("ben", { change: { ...open } }) };
    expect(projectUpdate(update(bodies.proximity), "ref", holders(pair)).forViewer(viewer("attendee", pair["tag-of-anna"]))).toMatchObject({ lane: 1, key: null, subject: "ben" });
    expect([showAlert(bodies.alert.alert), showOwnSettings(defaultPrivacySettings(), 0), showOccupancy({ zones: [] }, 0), showNearby([], 0)].map(({ lane }) => lane)).toEqual([0, 1, 3, 3]);
  });

  it("latest wins for positions of one subject, a gateway, the counts, the list; never for transitions and alerts", () => {
    const staff = viewer("staff");
    expect(shown(bodies.position, staff)?.key).toBe("position anna");
    expect(shown(bodies.position, viewer("attendee", anna))?.key).toBe("position me");
    expect(shown(bodies.gateway, staff)?.key).toBe("gateway gw-1");
    expect([showOccupancy({ zones: [] }, 0).key, showOccupancy({ zones: [] }, 0, 1).key, showNearby([], 0).key]).toEqual(["occupancy 0", "occupancy 1", "nearby"]);
    expect([shown(bodies.zone, staff)?.key, shown(bodies.alert, staff)?.key]).toEqual([null, null]);
  });

  it("it says whom it is about, so that queues can forget them, and how long it is", () => {
    expect(shown(bodies.position, viewer("attendee", anna))).toMatchObject({ subject: "anna", offset: null });
    const zone = shown(bodies.zone, viewer("staff"));
    expect(zone).toMatchObject({ subject: "anna", offset: 4711, storedAtMs: NOW_MS });
    expect(zone?.bytes).toBe(Buffer.byteLength(zone?.json ?? ""));
    expect(projectUpdate(update(bodies.position), null, () => "nobody").forViewer(viewer("staff"))).toMatchObject({ subject: "tag-of-anna" });
    const umlaut = { ...anna, name: "Änne Grün 東京" };
    const shownUmlaut = projectUpdate(update(bodies.zone), "ref", () => umlaut).forViewer(viewer("staff"));
    expect(shownUmlaut?.bytes).toBe(Buffer.byteLength(shownUmlaut?.json ?? ""));
    expect(shownUmlaut?.json).not.toMatch(/[^ -~]/);
    expect(JSON.parse(shownUmlaut?.json ?? "null")).toMatchObject({ d: { subj: { name: "Änne Grün 東京" } } });
    // What has no id in the log is shown without one.
    expect(JSON.parse(projectUpdate(update(bodies.zone), null, () => anna).forViewer(viewer("staff"))?.json ?? "null")).not.toHaveProperty("i");
  });

  it("a state is a transition's equal: in order with them, and exact for things", () => {
    const standing: Standing = { tagId: "tag-of-anna", position: null, zoneId: "room-a", floor: 1, zoneSinceMs: 17 };
    expect(showStanding(standing, anna, viewer("staff"))).toMatchObject({ lane: 1, key: null, subject: "anna", offset: null });
    expect(showStanding({ ...standing, position }, "nobody", viewer("staff"))).toMatchObject({ lane: 2, key: "position tag-of-anna", subject: "tag-of-anna" });
    expect(showStanding(standing, "nobody", viewer("staff"))).toMatchObject({ lane: 1, subject: "tag-of-anna" });
    // By position and by zone: oneself is me, a thing is its tag.
    for (const state of [standing, { ...standing, position }]) {
      const subjectOf = (holder: Holder, who: Viewer) => (JSON.parse(showStanding(state, holder, who)?.json ?? "null") as { d: { subj: object } }).d.subj;
      expect([subjectOf(anna, viewer("attendee", anna)), subjectOf("nobody", viewer("staff"))]).toEqual([{ who: "me" }, { who: "tag", tagId: "tag-of-anna" }]);
    }
  });

  it("a gateway is shown with its calibration, where it has one", () => {
    const gateway: GatewayHealth = { ...bodies.gateway.gateway, calibration: { basis: "links", offsetDb: 2, residualDb: 4 } };
    expect(JSON.parse(showGateway(gateway, viewer("staff"))?.json ?? "null")).toEqual({ t: "gateway", at: NOW_MS, d: gateway });
  });

  it("an accuracy is rounded up, never down, and is never finer than the grid", () => {
    const accuracyOf = (accuracy95M: number) => (JSON.parse(shown({ kind: "position", position: { ...position, accuracy95M } }, viewer("staff"))?.json ?? "null") as { d: { accuracy95M: number } }).d.accuracy95M;
    expect([0, 0.1, 1, 2.3, 7].map(accuracyOf)).toEqual([1, 1, 1, 3, 7]);
  });

  it("people concerned are named for routing, unknown ones and things are not", () => {
    expect(projectUpdate(update(bodies.zone), null, () => anna).people).toEqual(["anna"]);
    expect(projectUpdate(update(bodies.zone), null, () => "nobody").people).toEqual([]);
    expect(projectUpdate(update(bodies.proximity), null, holders({ "tag-of-anna": anna, "tag-of-ben": policy("ben") })).people).toEqual(["anna", "ben"]);
    expect(projectUpdate(update(bodies.proximity), null, holders({ "tag-of-anna": anna })).people).toEqual([]);
  });

  it("own settings are shown without the bridge's own stamps", () => {
    expect(JSON.parse(showOwnSettings({ ...defaultPrivacySettings(), raisedAtMs: 5, tagSinceMs: 6, blocked: ["ben"], shares: [], lookups: [] }, 7).json)).toEqual({ t: "settings", at: 7, d: defaultPrivacySettings() });
  });

  it("grid points are whole metres, with no minus zero", () => {
    expect([snap(0.49), snap(-0.4), snap(1.5), snap(-7.6)]).toEqual([0, 0, 2, -8]);
  });
});
