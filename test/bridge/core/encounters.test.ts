import { describe, expect, it } from "vitest";
import { applyPrivacyChange, defaultPrivacySettings, type Person, type PrivacyChange } from "@konferenco/protocol";
import { DWELL_MS, Encounters, PAIR_QUIET_MS } from "../../../bridge/src/core/encounters.ts";
import { compilePolicy, type SubjectPolicy } from "../../../bridge/src/core/privacy-policy.ts";

const NOW_MS = 1_800_000_000_000;
/** Fusion's own two seconds count as having been there. */
const LONG_ENOUGH_MS = DWELL_MS - 2_000;

interface Guest {
  interests?: string[];
  zoneId?: string | null;
  agoMs?: number;
  change?: PrivacyChange;
  isInSession?: () => boolean;
}

/** A hall with some guests, each with a tag of the same name. */
function hall(guests: Record<string, Guest>, { widthM = 20, isSmall = false } = {}) {
  const policies = new Map<string, SubjectPolicy>();
  const standing = (tagId: string) => {
    const { zoneId = "hall", agoMs = LONG_ENOUGH_MS } = guests[tagId] ?? {};
    const sinceMs = NOW_MS - agoMs;
    return { tagId, position: null, zoneId, floor: 0, zoneSinceMs: sinceMs, stays: [{ zoneId, floor: 0, sinceMs }], gridXM: 0, gridYM: 0 };
  };
  for (const [personId, { interests = ["AI"], change = {}, isInSession = () => false }] of Object.entries(guests)) {
    const person: Person = {
      profile: { personId, name: personId, role: "attendee", company: "", interests, lookingFor: "", connections: [] },
      tagId: personId,
      consent: { given: true, atMs: 0, version: "1" },
      settings: applyPrivacyChange(defaultPrivacySettings(), { proximityAlerts: true, ...change }),
    };
    policies.set(personId, compilePolicy(person, { isInSession }));
  }
  const encounters = new Encounters({
    trailOf: (tagId) => (tagId in guests ? standing(tagId) : null),
    aroundZone: () => Object.keys(guests).map(standing),
    holderOf: (tagId) => policies.get(tagId) ?? "unknown",
    zoneWidthM: () => widthM,
    isSmall: () => isSmall,
  });
  const met = (nowMs = NOW_MS) => encounters.tick(nowMs).map(({ kind, a, b }) => `${kind} ${a.personId} ${b.personId}`);
  return { encounters, met, look: (tagId: string, nowMs = NOW_MS) => (encounters.look(tagId), met(nowMs)) };
}

const anna: Guest = {};
const precise: PrivacyChange = { level: "precise", audiences: { attendees: "precise" } };
const different = { interests: ["Gardens"] };

describe("two come together", () => {
  it("when they suit each other, or the zone is no wider than fifty metres", () => {
    expect(hall({ anna, ben: {} }).look("anna")).toEqual(["serendipity anna ben"]);
    expect(hall({ anna, ben: {} }, { widthM: 500 }).look("anna")).toEqual(["serendipity anna ben"]);
    expect(hall({ anna, ben: different }, { widthM: 50 }).look("anna")).toEqual(["near anna ben"]);
    expect(hall({ anna, ben: different }, { widthM: 50.1 }).look("anna")).toEqual([]);
  });

  it("who show each other their precise place hear of metres instead, unless they suit each other", () => {
    expect(hall({ anna: { change: precise }, ben: { ...different, change: precise } }).look("anna")).toEqual([]);
    expect(hall({ anna: { change: precise }, ben: different }).look("anna")).toEqual(["near anna ben"]);
    expect(hall({ anna: { change: precise }, ben: { change: precise } }).look("anna")).toEqual(["serendipity anna ben"]);
  });

  it("in a zone too small for strangers only who show their precise place", () => {
    expect(hall({ anna, ben: {} }, { isSmall: true }).look("anna")).toEqual([]);
    expect(hall({ anna: { change: precise }, ben: { change: precise } }, { isSmall: true }).look("anna")).toEqual(["serendipity anna ben"]);
  });

  it.each([
    ["did not opt in", { change: { proximityAlerts: false } }],
    ["is hidden", { change: { level: "hidden" } }],
    ["shows the venue alone", { change: { level: "venue" } }],
    ["does not want to be disturbed", { change: { doNotDisturb: true } }],
    ["sits in a session", { isInSession: () => true }],
    ["has blocked the other", { change: { blocked: ["anna", "ben"] } }],
    ["is in another zone", { zoneId: "bar" }],
    ["is in no zone", { zoneId: null }],
    ["has been there too briefly", { agoMs: LONG_ENOUGH_MS - 1 }],
  ] as const)("and not when one of them %s", (_, guest) => {
    expect(hall({ anna, ben: guest as Guest }).look("anna")).toEqual([]);
    expect(hall({ anna: guest as Guest, ben: {} }).look("anna")).toEqual([]);
  });

  it("once both have been there long enough, without another look", () => {
    const { look, met } = hall({ anna: { agoMs: LONG_ENOUGH_MS - 1_000 }, ben: {} });
    expect(look("anna")).toEqual([]);
    expect(met(NOW_MS + 999)).toEqual([]);
    expect(met(NOW_MS + 1_000)).toEqual(["serendipity anna ben"]);
    expect(met(NOW_MS + PAIR_QUIET_MS + 1_000)).toEqual([]);
  });

  it("after one is to be disturbed again: they are looked at every five seconds", () => {
    let isInSession = true;
    const { look, met } = hall({ anna: { isInSession: () => isInSession }, ben: {} });
    expect(look("anna")).toEqual([]);
    isInSession = false;
    expect(met(NOW_MS + 4_999)).toEqual([]);
    expect(met(NOW_MS + 5_000)).toEqual(["serendipity anna ben"]);
  });

  it("nobody meets themselves, nor a tag of nobody", () => {
    expect(hall({ anna }).look("anna")).toEqual([]);
    expect(hall({ anna }).look("lost")).toEqual([]);
  });
});

describe("how often", () => {
  it("a pair hears of each other once in half an hour, whoever of them has come", () => {
    const { look } = hall({ anna, ben: {} });
    expect(look("anna")).toHaveLength(1);
    expect([look("anna", NOW_MS + 1), look("ben", NOW_MS + 1), look("ben", NOW_MS + PAIR_QUIET_MS - 1)]).toEqual([[], [], []]);
    expect(look("ben", NOW_MS + PAIR_QUIET_MS)).toEqual(["serendipity ben anna"]);
  });

  it("one person hears of twenty at once, and of one more each half minute", () => {
    const { look } = hall({ anna, ...Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`guest-${n}`, {}])) });
    expect(look("anna")).toHaveLength(20);
    expect(look("anna", NOW_MS + 29_000)).toHaveLength(0);
    expect(look("anna", NOW_MS + 30_000)).toHaveLength(1);
  });

  it("who has been told enough for now is told of nobody who comes after", () => {
    const { look } = hall({ ben: {}, ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`guest-${n}`, {}])), anna });
    expect(look("ben")).toHaveLength(20);
    // Ben, who comes first, costs her none of her own twenty.
    expect(look("anna")).toEqual(Array.from({ length: 20 }, (_, n) => `serendipity anna guest-${n}`));
  });

  it("who has come is compared with two thousand people of the zone", () => {
    const crowd = (people: number) => hall({ anna, ...Object.fromEntries(Array.from({ length: people }, (_, n) => [`guest-${n}`, { change: { level: "hidden" } }])), ben: {} });
    expect(crowd(1_999).look("anna")).toEqual(["serendipity anna ben"]);
    expect(crowd(2_000).look("anna")).toEqual([]);
  });

  it("what there is no time for is left to the next tick", () => {
    const { encounters, met } = hall({ anna, ben: {} });
    encounters.look("anna");
    expect(encounters.tick(NOW_MS, () => false)).toEqual([]);
    expect(met()).toHaveLength(1);
  });
});

describe("two part", () => {
  const together = () => {
    const { encounters, look } = hall({ anna, ben: different });
    expect(look("anna")).toEqual(["near anna ben"]);
    return encounters;
  };

  it("when one of them is not shown in the zone any more, once", () => {
    for (const gone of ["anna", "ben"]) {
      const encounters = together();
      expect(encounters.takeParted(() => true)).toEqual([]);
      expect(encounters.takeParted((tagId, zoneId) => zoneId === "hall" && tagId !== gone)).toMatchObject([{ a: "anna", b: "ben", zoneId: "hall" }]);
      expect(encounters.takeParted(() => false)).toEqual([]);
    }
  });

  it("in slices: where the time ends the next one goes on, and after the last pair a round begins anew", () => {
    const { encounters, look } = hall({ anna, ben: different, cleo: { interests: ["Boats"] }, dora: { interests: ["Rails"] } });
    expect(look("anna")).toHaveLength(3);
    const seen: string[] = [];
    const slice = (pairs: number) => encounters.takeParted((tagId) => (seen.push(tagId), tagId !== "cleo"), () => pairs-- > 0).map(({ b }) => b);
    expect([slice(1), slice(0), slice(1), slice(2), slice(9)]).toEqual([[], [], ["cleo"], [], []]);
    expect(seen.filter((tagId) => tagId !== "anna")).toEqual(["ben", "cleo", "dora", "ben", "dora"]);
  });

  it("nothing is told of who suits another: they were told of a match, not of nearness", () => {
    const { encounters, look } = hall({ anna, ben: {} });
    expect(look("anna")).toHaveLength(1);
    expect(encounters.takeParted(() => false)).toEqual([]);
  });

  it("nothing is kept of who is erased: they part from nobody, and nobody was told of them", () => {
    for (const personId of ["anna", "ben"]) {
      const { encounters, look } = hall({ anna, ben: different, cleo: { interests: ["Boats"] } });
      expect(look("anna")).toEqual(["near anna ben", "near anna cleo"]);
      encounters.forget(personId);
      expect(encounters.takeParted(() => false).map(({ a, b }) => `${a} ${b}`)).toEqual(personId === "anna" ? [] : ["anna cleo"]);
      expect(look("anna")).toEqual(personId === "anna" ? ["near anna ben", "near anna cleo"] : ["near anna ben"]);
    }
  });
});
