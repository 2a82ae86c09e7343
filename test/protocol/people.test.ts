import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { applyPrivacyChange, AUDIENCES, defaultPrivacySettings, LEVELS, minLevel, personSchema, privacyChangeSchema, privacySettingsSchema, type Level } from "@konferenco/protocol";

const level = fc.constantFrom(...LEVELS);

describe("levels", () => {
  it("have a smaller one of two: commutative, associative, hidden wins, precise gives way", () => {
    fc.assert(fc.property(level, level, level, (a, b, c) => {
      expect(minLevel(a, b)).toBe(minLevel(b, a));
      expect(minLevel(a, minLevel(b, c))).toBe(minLevel(minLevel(a, b), c));
      expect(minLevel(a, a)).toBe(a);
      expect(minLevel(a, "hidden")).toBe("hidden");
      expect(minLevel(a, "precise")).toBe(a);
    }));
  });
});

describe("privacy settings", () => {
  it("are careful by default: zone at most to strangers, nothing to exhibitors, no proximity alerts", () => {
    expect(defaultPrivacySettings()).toMatchObject({ level: "zone", audiences: { attendees: "zone", exhibitors: "hidden" }, proximityAlerts: false });
  });

  const change = fc.record({ level, audiences: fc.dictionary(fc.constantFrom(...AUDIENCES), level), proximityAlerts: fc.boolean(), doNotDisturb: fc.boolean() }, { requiredKeys: [] });

  it("change what is named, keep what is not, and are idempotent", () => {
    fc.assert(fc.property(change, change, (first, second) => {
      const before = applyPrivacyChange(defaultPrivacySettings(), privacyChangeSchema.parse(first));
      const after = applyPrivacyChange(before, privacyChangeSchema.parse(second));
      expect(privacySettingsSchema.parse(after)).toEqual(after);
      expect(applyPrivacyChange(after, privacyChangeSchema.parse(second))).toEqual(after);
      expect(after.level).toBe(second.level ?? before.level);
      for (const audience of AUDIENCES) expect(after.audiences[audience]).toBe((second.audiences as Partial<Record<string, Level>> | undefined)?.[audience] ?? before.audiences[audience]);
    }));
  });

  it.each([{ level: "exact" }, { audiences: { everybody: "zone" } }, { admin: true }, { proximityAlerts: "yes" }, { level: null }])("refuse a change %j", (bad) => {
    expect(privacyChangeSchema.safeParse(bad).success).toBe(false);
  });

  it("without anything known about a person cannot be made: no consent, no person", () => {
    expect(personSchema.safeParse({ profile: { personId: "p", name: "Ada" }, tagId: null, settings: {} }).success).toBe(false);
    expect(personSchema.safeParse({ profile: { personId: "p", name: "\u202e" }, tagId: null, settings: {}, consent: { given: true, atMs: 0, version: "1" } }).success).toBe(false);
  });
});
