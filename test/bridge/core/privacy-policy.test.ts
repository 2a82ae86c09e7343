import { describe, expect, it } from "vitest";
import { LEVELS, ROLES, applyPrivacyChange, defaultPrivacySettings, type Level, type Person, type PrivacyChange, type Role } from "@konferenco/protocol";
import {
  audienceOf,
  compilePolicy,
  isNamedIn,
  isSeenCoarsely,
  levelFor,
  mayMeet,
  raisesAnything,
  shownState,
  viewerOf,
  withoutBlocked,
  type SubjectPolicy,
  type Viewer,
  type ViewerRole,
} from "../../../bridge/src/core/privacy-policy.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

function person(personId: string, options: { role?: Role; consent?: boolean; change?: PrivacyChange; connections?: string[] } = {}): Person {
  const { role = "attendee", consent = true, change = {}, connections = [] } = options;
  return {
    profile: { personId, name: `Name ${personId}`, role, company: "Acme", interests: ["AI"], lookingFor: "", connections },
    tagId: `tag-of-${personId}`,
    consent: { given: consent, atMs: 0, version: "1" },
    settings: applyPrivacyChange(defaultPrivacySettings(), change),
  };
}

const allLevels = (level: Level) => ({ connections: level, attendees: level, exhibitors: level, speakers: level, staff: level });
const policy = (...args: Parameters<typeof person>): SubjectPolicy => compilePolicy(person(...args), { nowMs: NOW_MS });
const viewer = (role: ViewerRole, self: SubjectPolicy | null = null): Viewer => ({ role, personId: self?.personId ?? null, self });
const shows = (level: Level) => policy("anna", { change: { level: "precise", audiences: { ...allLevels("hidden"), attendees: level } } });
const byLevel = <T>(of: (level: Level) => T) => LEVELS.map((level) => of(level));

// --- audiences and levels --------------------------------------------------------------------------

describe("as which audience one looks", () => {
  const anna = policy("anna", { connections: ["ben"] });

  it("a connection names the other and is named by them", () => {
    expect(audienceOf(anna, viewerOf(policy("ben", { connections: ["anna"] })))).toBe("connections");
    expect(audienceOf(anna, viewerOf(policy("ben", { connections: ["cleo"] })))).toBe("attendees");
    expect(audienceOf(anna, viewerOf(policy("cleo", { connections: ["anna"] })))).toBe("attendees");
  });

  it("who has blocked the other, or is blocked by them, is none: connection, staff or not", () => {
    const blocking = policy("anna", { connections: ["ben"], change: { blocked: ["ben"] } });
    expect(audienceOf(blocking, viewerOf(policy("ben", { connections: ["anna"] })))).toBeNull();
    expect(audienceOf(anna, viewerOf(policy("ben", { connections: ["anna"], change: { blocked: ["anna"] } })))).toBeNull();
    expect(audienceOf(blocking, { ...viewerOf(policy("ben")), role: "staff" })).toBeNull();
    expect(levelFor(blocking, viewerOf(policy("ben")))).toBe("hidden");
  });

  it("a screen, and a person whose policy is not known, are none; oneself is oneself", () => {
    expect(audienceOf(anna, { ...viewerOf(anna), role: "display" })).toBeNull();
    expect(audienceOf(anna, { role: "attendee", personId: "zoe", self: null })).toBeNull();
    expect(audienceOf(anna, viewerOf(anna))).toBe("self");
  });
});

describe("how much they see", () => {
  const audiences = { connections: "zone", attendees: "venue", exhibitors: "hidden", speakers: "zone", staff: "precise" } as const;
  const sees = (subject: SubjectPolicy, role: Role, connections: string[] = []) => levelFor(subject, viewerOf(policy("ben", { role, connections })));

  it("each audience its own level, capped by the overall one, and nothing without consent", () => {
    const roles = ["attendee", "exhibitor", "speaker", "staff"] as const;
    expect(roles.map((role) => sees(policy("anna", { change: { level: "precise", audiences } }), role))).toEqual(["venue", "hidden", "zone", "precise"]);
    expect(roles.map((role) => sees(policy("anna", { change: { level: "venue", audiences } }), role))).toEqual(["venue", "hidden", "venue", "venue"]);
    expect(roles.map((role) => sees(policy("anna", { consent: false, change: { level: "precise", audiences } }), role))).toEqual(["hidden", "hidden", "hidden", "hidden"]);
    expect(levelFor(policy("anna", { consent: false }), viewerOf(policy("anna")))).toBe("hidden");
  });

  it("a share raises one connection to the precise place while it lasts, and nobody who is no connection", () => {
    const shares = [{ personId: "ben", untilMs: NOW_MS + 1 }];
    expect(sees(policy("anna", { connections: ["ben"], change: { level: "zone", audiences, shares } }), "attendee", ["anna"])).toBe("precise");
    expect(sees(policy("anna", { connections: ["ben"], change: { level: "zone", audiences, shares } }), "attendee")).toBe("venue");
    expect(sees(policy("anna", { connections: ["ben"], change: { level: "zone", audiences, shares: [{ personId: "ben", untilMs: NOW_MS }] } }), "attendee", ["anna"])).toBe("zone");
    expect(sees(policy("anna", { connections: ["ben"], change: { level: "hidden", audiences, shares } }), "attendee", ["anna"])).toBe("hidden");
  });

  it("where the venue knows zones alone, a share raises them to the zone and nothing shows more", () => {
    const undrawn = (change: PrivacyChange) => compilePolicy(person("anna", { connections: ["ben"], change }), { nowMs: NOW_MS, finest: "zone" });
    const shares = [{ personId: "ben", untilMs: NOW_MS + 1 }];
    expect(sees(undrawn({ level: "precise", audiences: allLevels("venue"), shares }), "attendee", ["anna"])).toBe("zone");
    expect(sees(undrawn({ level: "precise", audiences: allLevels("precise") }), "attendee", ["anna"])).toBe("zone");
  });
});

it("without consent every level is hidden, for counts too", () => {
  expect(policy("anna", { consent: false, change: { level: "precise", audiences: allLevels("precise") } }).levels).toEqual(allLevels("hidden"));
});

it("every role of a profile has its audience", () => {
  const anna = policy("anna", { change: { level: "precise", audiences: { attendees: "hidden", exhibitors: "venue", speakers: "zone", staff: "precise" } } });
  const levels = ROLES.map((role) => levelFor(anna, viewer("attendee", policy("ben", { role }))));
  expect(levels).toEqual(["hidden", "venue", "zone", "precise"]);
});

it("a block hides both from each other, and nobody else from anybody", () => {
  const open: PrivacyChange = { level: "precise", audiences: allLevels("precise") };
  for (const role of ["attendee", "staff", "operator"] as const) {
    expect(audienceOf(policy("anna", { change: { ...open, blocked: ["ben"] } }), viewer(role, policy("ben")))).toBeNull();
    expect(audienceOf(policy("anna", { change: open }), viewer(role, policy("ben", { change: { blocked: ["anna"] } })))).toBeNull();
    expect(audienceOf(policy("anna", { change: { ...open, blocked: ["cleo"] } }), viewer(role, policy("ben", { change: { blocked: ["cleo"] } })))).toBe(role === "attendee" ? "attendees" : "staff");
  }
  // A login whose person the registry does not know (yet).
  expect(levelFor(policy("anna", { change: { ...open, blocked: ["ben"] } }), { role: "staff", personId: "ben", self: null })).toBe("hidden");
});

it("people who each know somebody, but not each other, are no connections", () => {
  const anna = policy("anna", { connections: ["cleo"] });
  for (const connections of [["cleo"], ["anna"], []]) expect(audienceOf(anna, viewer("attendee", policy("ben", { connections })))).toBe("attendees");
  expect(audienceOf(policy("anna", { connections: ["ben"] }), viewer("attendee", policy("ben", { connections: ["cleo"] })))).toBe("attendees");
});

describe("a precise place that is shared for a while", () => {
  const friend = viewer("attendee", policy("ben", { connections: ["anna"] }));
  const shared = (change: PrivacyChange = {}, { nowMs = NOW_MS, connections = ["ben"], consent = true } = {}) =>
    compilePolicy(person("anna", { consent, connections, change: { level: "venue", shares: [{ personId: "ben", untilMs: NOW_MS + HOUR_MS }], ...change } }), { nowMs });

  it("is seen by that connection alone, above every level, until it ends", () => {
    expect(levelFor(shared(), friend)).toBe("precise");
    expect(levelFor(shared({}, { nowMs: NOW_MS + HOUR_MS - 1 }), friend)).toBe("precise");
    expect(levelFor(shared({}, { nowMs: NOW_MS + HOUR_MS }), friend)).toBe("venue");
    expect(levelFor(shared({}, { connections: ["ben", "cleo"] }), viewer("attendee", policy("cleo", { connections: ["anna"] })))).toBe("venue");
    expect(levelFor(shared(), { role: "staff", personId: null, self: null })).toBe("venue");
  });

  it("ends with the connection, with hiding, with consent and with a block", () => {
    expect(levelFor(shared({}, { connections: [] }), friend)).toBe("venue");
    expect(levelFor(shared({ level: "hidden" }), friend)).toBe("hidden");
    expect(levelFor(shared({}, { consent: false }), friend)).toBe("hidden");
    expect(levelFor(shared({ blocked: ["ben"] }), friend)).toBe("hidden");
  });
});

it("strangers who are shown the zone at most learn of it late; oneself, connections, staff and who is shown the place do not", () => {
  const ben = policy("ben", { connections: ["anna"] });
  expect(byLevel((level) => isSeenCoarsely(shows(level), viewer("attendee", ben)))).toEqual([true, true, true, false]);
  const anna = policy("anna", { change: { level: "zone" }, connections: ["ben"] });
  const others = { self: viewer("attendee", anna), connection: viewer("attendee", ben), staff: viewer("staff"), operator: viewer("operator"), steward: viewer("attendee", policy("cleo", { role: "staff" })), screen: viewer("display") };
  expect(Object.entries(others).filter(([, who]) => isSeenCoarsely(anna, who)).map(([name]) => name)).toEqual([]);
});

describe("a change that shows more than before is recognised", () => {
  const before = { change: { level: "zone", audiences: { staff: "venue" } } } as const;
  const raising: [string, Parameters<typeof person>[1]][] = [
    ["a higher level for an audience", { change: { level: "zone", audiences: { staff: "zone" } } }],
    ["a higher level", { change: { level: "precise", audiences: { staff: "venue" } } }],
    ["proximity alerts", { change: { ...before.change, proximityAlerts: true } }],
    ["a new connection", { ...before, connections: ["ben"] }],
    ["another role", { ...before, role: "speaker" }],
    ["a precise place shared with somebody", { change: { ...before.change, shares: [{ personId: "cleo", untilMs: NOW_MS + 1 }] } }],
  ];
  it.each(raising)("%s", (_, after) => expect(raisesAnything(policy("anna", before), policy("anna", after))).toBe(true));
  it("one block lifted of two, a share for another person", () => {
    const kept = (change: PrivacyChange) => policy("anna", { change: { ...before.change, ...change } });
    const shares = (...people: string[]): PrivacyChange => ({ shares: people.map((personId) => ({ personId, untilMs: NOW_MS + 1 })) });
    expect(raisesAnything(kept({ blocked: ["ben", "cleo"] }), kept({ blocked: ["cleo"] }))).toBe(true);
    expect(raisesAnything(kept({ blocked: ["ben"] }), kept({}))).toBe(true);
    expect(raisesAnything(kept({ blocked: ["ben"] }), kept({ blocked: ["ben", "cleo"] }))).toBe(false);
    expect(raisesAnything(kept(shares("ben")), kept(shares("ben", "cleo")))).toBe(true);
    expect(raisesAnything(kept(shares("ben", "cleo")), kept(shares("ben")))).toBe(false);
    expect(raisesAnything(kept({ proximityAlerts: true }), kept({ proximityAlerts: true }))).toBe(false);
  });
  it("consent", () => expect(raisesAnything(policy("anna", { consent: false }), policy("anna"))).toBe(true));
  it.each([
    ["no change", before],
    ["a lower level", { change: { level: "hidden" } as const }],
    ["consent withdrawn", { consent: false }],
  ])("but not %s", (_, after) => expect(raisesAnything(policy("anna", before), policy("anna", after))).toBe(false));
});

// --- two people, presence --------------------------------------------------------------------------

it("in a session nobody is disturbed, unless they switch that off", () => {
  const inSession = (change: PrivacyChange = {}) => compilePolicy(person("anna", { change: { level: "precise", proximityAlerts: true, audiences: allLevels("precise"), ...change } }), { isInSession: () => true });
  const ben = policy("ben", { change: { level: "precise", proximityAlerts: true, audiences: allLevels("precise") } });
  expect(mayMeet(inSession(), ben)).toBe(false);
  expect(mayMeet(ben, inSession())).toBe(false);
  expect(mayMeet(inSession({ autoDoNotDisturb: false }), ben)).toBe(true);
});

describe("that somebody is there", () => {
  const anna = policy("anna");
  const ben = policy("ben");

  it("is told by name in a channel of those who consented, show it and let themselves be found", () => {
    expect((["public", "requests", "connections", "hidden"] as const).map((discoverability) => isNamedIn(policy("anna", { change: { discoverability } })))).toEqual([true, true, false, false]);
    expect(isNamedIn(policy("anna", { consent: false }))).toBe(false);
    expect(isNamedIn(policy("anna", { change: { presence: { online: false } } }))).toBe(false);
  });

  it("is told to connections of those too who let nobody find them, and to nobody else", () => {
    const friend = policy("ben", { connections: ["anna"] });
    const shy: Parameters<typeof policy>[1] = { change: { discoverability: "hidden" }, connections: ["ben"] };
    expect(shownState(policy("anna", shy), "online", friend)).toBe("online");
    expect(shownState(policy("anna", shy), "online", "channel")).toBeNull();
    expect(shownState(policy("anna", shy), "online", ben)).toBeNull();
    expect(shownState(policy("anna", { connections: ["ben"], consent: false }), "online", friend)).toBeNull();
    expect(shownState(policy("anna", { connections: ["ben"], change: { presence: { online: false } } }), "online", friend)).toBeNull();
  });

  it.each([
    ["who shows whether they can be approached", {}, ["online", "away", "busy", "offline"]],
    ["who does not want to be disturbed", { doNotDisturb: true }, ["busy", "away", "busy", "offline"]],
    ["who does not show whether they can be approached", { presence: { availability: false } }, ["online", "online", "online", "offline"]],
    ["who shows neither", { doNotDisturb: true, presence: { availability: false } }, ["online", "online", "online", "offline"]],
  ] as const)("%s is online, away, busy and offline as: %o", (_, change, expected) => {
    expect((["online", "away", "busy", "offline"] as const).map((state) => shownState(policy("anna", { change }), state, "channel"))).toEqual(expected);
  });

  it("is not told across a block; a list without one stays the same list", () => {
    const list = [anna, policy("cleo", { change: { blocked: ["ben"] } }), null];
    const left = (self: SubjectPolicy | null) => withoutBlocked(list, (one) => one, viewer("attendee", self));
    expect(left(ben)).toEqual([anna, null]);
    expect(left(policy("dora", { change: { blocked: ["anna"] } }))).toEqual([list[1], null]);
    expect(left(policy("dora"))).toBe(list);
    expect(left(null)).toBe(list);
  });
});
