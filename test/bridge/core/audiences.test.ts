import { defaultPrivacySettings, type PrivacySettings, type Role } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";
import { audienceOf, compilePolicy, levelFor, viewerOf, type SubjectPolicy } from "../../../bridge/src/core/privacy.ts";

const NOW_MS = 1_000;

function person(personId: string, { connections = [], role = "attendee", consent = true, ...settings }: Partial<PrivacySettings> & { connections?: string[]; role?: Role; consent?: boolean } = {}): SubjectPolicy {
  return compilePolicy(
    {
      profile: { personId, name: personId, role, company: "", interests: [], lookingFor: "", connections },
      tagId: null,
      consent: { given: consent, atMs: 1, version: "1" },
      settings: { ...defaultPrivacySettings(), ...settings },
    },
    { nowMs: NOW_MS },
  );
}

describe("as which audience one looks", () => {
  const anna = person("anna", { connections: ["ben"] });

  it("a connection names the other and is named by them", () => {
    expect(audienceOf(anna, viewerOf(person("ben", { connections: ["anna"] })))).toBe("connections");
    expect(audienceOf(anna, viewerOf(person("ben", { connections: ["cleo"] })))).toBe("attendees");
    expect(audienceOf(anna, viewerOf(person("cleo", { connections: ["anna"] })))).toBe("attendees");
  });

  it("who has blocked the other, or is blocked by them, is none: connection, staff or not", () => {
    const blocking = person("anna", { connections: ["ben"], blocked: ["ben"] });
    expect(audienceOf(blocking, viewerOf(person("ben", { connections: ["anna"] })))).toBeNull();
    expect(audienceOf(anna, viewerOf(person("ben", { connections: ["anna"], blocked: ["anna"] })))).toBeNull();
    expect(audienceOf(blocking, { ...viewerOf(person("ben")), role: "staff" })).toBeNull();
    expect(levelFor(blocking, viewerOf(person("ben")))).toBe("hidden");
  });

  it("a screen, and a person whose policy is not known, are none; oneself is oneself", () => {
    expect(audienceOf(anna, { ...viewerOf(anna), role: "display" })).toBeNull();
    expect(audienceOf(anna, { role: "attendee", personId: "zoe", self: null })).toBeNull();
    expect(audienceOf(anna, viewerOf(anna))).toBe("self");
  });
});

describe("how much they see", () => {
  const audiences = { connections: "zone", attendees: "venue", exhibitors: "hidden", speakers: "zone", staff: "precise" } as const;
  const sees = (subject: SubjectPolicy, role: Role, connections: string[] = []) => levelFor(subject, viewerOf(person("ben", { role, connections })));

  it("each audience its own level, capped by the overall one, and nothing without consent", () => {
    const roles = ["attendee", "exhibitor", "speaker", "staff"] as const;
    expect(roles.map((role) => sees(person("anna", { level: "precise", audiences }), role))).toEqual(["venue", "hidden", "zone", "precise"]);
    expect(roles.map((role) => sees(person("anna", { level: "venue", audiences }), role))).toEqual(["venue", "hidden", "venue", "venue"]);
    expect(roles.map((role) => sees(person("anna", { level: "precise", audiences, consent: false }), role))).toEqual(["hidden", "hidden", "hidden", "hidden"]);
    expect(levelFor(person("anna", { consent: false }), viewerOf(person("anna")))).toBe("hidden");
  });

  it("a share raises one connection to the precise place while it lasts, and nobody who is no connection", () => {
    const shares = [{ personId: "ben", untilMs: NOW_MS + 1 }];
    expect(sees(person("anna", { level: "zone", audiences, shares, connections: ["ben"] }), "attendee", ["anna"])).toBe("precise");
    expect(sees(person("anna", { level: "zone", audiences, shares, connections: ["ben"] }), "attendee")).toBe("venue");
    expect(sees(person("anna", { level: "zone", audiences, shares: [{ personId: "ben", untilMs: NOW_MS }], connections: ["ben"] }), "attendee", ["anna"])).toBe("zone");
    expect(sees(person("anna", { level: "hidden", audiences, shares, connections: ["ben"] }), "attendee", ["anna"])).toBe("hidden");
  });
});
