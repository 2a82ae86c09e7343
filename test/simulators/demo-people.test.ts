import { describe, expect, test } from "vitest";
import { personSchema } from "@konferenco/protocol";
import { DEMO_PERSON_ID, demoPeople, newCrowd, demoVenue } from "@konferenco/simulators";

const people = demoPeople({ seed: 1, nowMs: 1_700_000_000_000 });

describe("the demo's people", () => {
  test("carry the walkers' tags, one each, and are valid for the registry", () => {
    const crowd = newCrowd(demoVenue(), 1);
    expect(people.map(({ tagId }) => tagId)).toEqual(crowd.tagIds);
    expect(new Set(people.map(({ profile }) => profile.personId)).size).toBe(people.length);
    expect(new Set(people.map(({ profile }) => profile.name)).size).toBe(people.length);
    for (const person of people) expect(personSchema.parse(person)).toEqual(person);
    for (const person of people) expect(person.profile.role).toBe(crowd.roleOf(person.tagId as string));
  });

  test("allow different things: about 60 % precise to staff, 25 % zone, 15 % hidden or without consent", () => {
    const share = (is: (person: (typeof people)[number]) => boolean): number => people.filter(is).length / people.length;
    const consents = (person: (typeof people)[number]): boolean => person.consent.given;
    expect(Math.abs(share((person) => consents(person) && person.settings.level === "precise" && person.settings.audiences.staff === "precise") - 0.6)).toBeLessThan(0.06);
    expect(Math.abs(share((person) => consents(person) && person.settings.level === "zone") - 0.25)).toBeLessThan(0.06);
    expect(Math.abs(share((person) => !consents(person) || person.settings.level === "hidden") - 0.15)).toBeLessThan(0.06);
    expect(share((person) => person.settings.level === "hidden")).toBeGreaterThan(0);
    expect(share((person) => !consents(person))).toBeGreaterThan(0);
    expect(share((person) => person.settings.proximityAlerts)).toBeGreaterThan(0.6);
  });

  test("know each other mutually; you know eight, walk with one of them, and share an interest", () => {
    const byId = new Map(people.map((person) => [person.profile.personId, person]));
    for (const { profile } of people) {
      expect(profile.connections).not.toContain(profile.personId);
      for (const other of profile.connections) expect(byId.get(other)?.profile.connections).toContain(profile.personId);
    }
    const [you, companion] = people;
    expect(you?.profile.personId).toBe(DEMO_PERSON_ID);
    expect(you?.consent.given).toBe(true);
    expect(you?.settings.proximityAlerts && companion?.settings.proximityAlerts).toBe(true);
    expect(you?.profile.connections).toContain(companion?.profile.personId);
    expect(you?.profile.connections.length).toBeGreaterThanOrEqual(8);
    expect(you?.profile.interests.some((interest) => companion?.profile.interests.includes(interest))).toBe(true);
  });

  test("are the same for the same seed, at any size", () => {
    expect(demoPeople({ seed: 1, nowMs: 1_700_000_000_000 })).toEqual(people);
    expect(demoPeople({ seed: 2, nowMs: 1_700_000_000_000 })).not.toEqual(people);
    expect(demoPeople({ seed: 1, tags: 1, nowMs: 0 })).toHaveLength(1);
    expect(new Set(demoPeople({ seed: 1, tags: 1_000, nowMs: 0 }).map(({ profile }) => profile.name)).size).toBe(1_000);
  });
});
