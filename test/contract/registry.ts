import { defaultPrivacySettings, StoreUnavailable, type Person, type Profile } from "@konferenco/protocol";
import { RegistryRefusal, type Registry, type RegistryChange } from "@konferenco/bridge";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";

/** How the suite gets a new, empty registry of the adapter under test. */
export interface RegistryHarness {
  open(): Promise<Registry>;
}

const T0_MS = 1_760_000_000_000;

export function profileOf(personId: string, rest: Partial<Profile> = {}): Profile {
  return { personId, name: `Name of ${personId}`, role: "attendee", company: "", interests: [], lookingFor: "", connections: [], ...rest };
}

/** Follows a registry and lets a test wait for what must come. */
export async function followedRegistry(registry: Registry) {
  const changes: RegistryChange[] = [];
  let wake = () => {};
  const follower = await registry.follow((change) => {
    changes.push(change);
    wake();
  });
  return {
    changes,
    told: () => changes.map((change) => (change.kind === "erased" ? `erased ${change.personId} ${change.tagId}` : change.personId)),
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    },
    close: () => follower.close(),
  };
}

export function describeRegistry(name: string, harness: RegistryHarness): void {
  describe(`the registry port: ${name}`, () => {
    const opened: Registry[] = [];
    const open = async () => {
      const registry = await harness.open();
      opened.push(registry);
      return registry;
    };
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((registry) => registry.close()));
    });

    describe("a person", () => {
      it("who is new has no tag, no consent and the default settings", async () => {
        const registry = await open();
        const profile = profileOf("anna", { name: 'Ünal "the" \\ Ørsted', role: "speaker", company: "ACME", interests: ["AI", "ML"], connections: ["ben"] });
        const anna = await registry.putPerson({ profile });
        const expected: Person = { profile, tagId: null, consent: { given: false, atMs: 0, version: "" }, settings: defaultPrivacySettings() };
        expect(anna).toEqual(expected);
        expect(await registry.person("anna")).toEqual(expected);
        expect(await registry.person("nobody")).toBeNull();
        expect(await registry.countPeople()).toBe(1);
      });

      it("put again gets the new profile and keeps tag, consent and settings, unless they are given", async () => {
        const registry = await open();
        const consent = { given: true, atMs: T0_MS, version: "2026-1" };
        await registry.putPerson({ profile: profileOf("anna"), consent, settings: { ...defaultPrivacySettings(), level: "venue" } });
        await registry.assignTag("tag-1", "anna");
        const again = await registry.putPerson({ profile: profileOf("anna", { company: "New" }) });
        expect(again).toMatchObject({ profile: { company: "New" }, tagId: "tag-1", consent, settings: { level: "venue" } });
        const third = await registry.putPerson({ profile: profileOf("anna"), consent: { given: false, atMs: T0_MS + 1, version: "x" }, settings: { ...defaultPrivacySettings(), level: "hidden" } });
        expect(third).toMatchObject({ tagId: "tag-1", consent: { given: false, version: "x" }, settings: { level: "hidden" } });
        expect(await registry.countPeople()).toBe(1);
      });

      it("changes consent and single settings; the others stay", async () => {
        const registry = await open();
        await registry.putPerson({ profile: profileOf("anna") });
        expect(await registry.setConsent("anna", { given: true, atMs: T0_MS, version: "1" })).toMatchObject({ consent: { given: true, atMs: T0_MS, version: "1" } });
        const changed = await registry.changeSettings("anna", { level: "precise", audiences: { staff: "hidden" } });
        expect(changed?.settings).toEqual({ ...defaultPrivacySettings(), level: "precise", audiences: { ...defaultPrivacySettings().audiences, staff: "hidden" } });
        await registry.changeSettings("anna", { proximityAlerts: true });
        expect((await registry.person("anna"))?.settings).toMatchObject({ level: "precise", proximityAlerts: true, audiences: { staff: "hidden", attendees: "zone" } });
        expect(await registry.setConsent("nobody", { given: true, atMs: T0_MS, version: "1" })).toBeNull();
        expect(await registry.changeSettings("nobody", { level: "hidden" })).toBeNull();
      });

      it("whose settings are changed by ten at once ends with all ten changes", async () => {
        const registry = await open();
        await registry.putPerson({ profile: profileOf("anna") });
        const changes = [{ level: "venue" }, { audiences: { staff: "hidden" } }, { audiences: { attendees: "precise" } }, { audiences: { exhibitors: "venue" } }, { audiences: { speakers: "hidden" } }, { audiences: { connections: "venue" } }, { discoverability: "hidden" }, { proximityAlerts: true }, { doNotDisturb: true }, { tagSinceMs: 5 }] as const;
        await Promise.all(changes.map((change) => registry.changeSettings("anna", change)));
        expect((await registry.person("anna"))?.settings).toEqual({
          ...defaultPrivacySettings(),
          level: "venue",
          audiences: { connections: "venue", attendees: "precise", exhibitors: "venue", speakers: "hidden", staff: "hidden" },
          discoverability: "hidden",
          proximityAlerts: true,
          doNotDisturb: true,
          autoDoNotDisturb: true,
          doNotDisturbAllow: ["connections", "speakers"],
          presence: { online: true, session: true, availability: true },
          tagSinceMs: 5,
        });
      });
    });

    describe("pages of people", () => {
      it("come in the order of their ids, without holes or repetitions, also while people come and go", async () => {
        const registry = await open();
        const ids = Array.from({ length: 23 }, (_, i) => `p${String((i * 7) % 23).padStart(2, "0")}`);
        await Promise.all([...ids, "B", "a", "Z9"].map((id) => registry.putPerson({ profile: profileOf(id) })));
        const seen: string[] = [];
        let after: string | null = null;
        for (;;) {
          const page = await registry.people({ after, limit: 5 });
          if (page.length === 0) break;
          seen.push(...page.map((person) => person.profile.personId));
          after = seen.at(-1)!;
          if (seen.length === 5) await registry.putPerson({ profile: profileOf("0-behind-us") });
        }
        expect(seen).toEqual(["B", "Z9", "a", ...ids.toSorted()]);
        expect(await registry.people({ after: "zzz", limit: 5 })).toEqual([]);
        expect(await registry.people({ after: null, limit: 0 })).toEqual([]);
        expect((await registry.people({ after: "p05-between", limit: 1 }))[0]?.profile.personId).toBe("p06");
        await registry.erase("B");
        expect((await registry.people({ after: null, limit: 2 })).map((person) => person.profile.personId)).toEqual(["0-behind-us", "Z9"]);
      });

      it("hold a thousand people when asked for", async () => {
        const registry = await open();
        for (const half of [0, 600]) await Promise.all(Array.from({ length: 600 }, (_, i) => registry.putPerson({ profile: profileOf(`p${half + i}`) })));
        expect(await registry.people({ after: null, limit: 1_000 })).toHaveLength(1_000);
        expect(await registry.people({ after: null, limit: 5_000 })).toHaveLength(1_200);
        expect(await registry.countPeople()).toBe(1_200);
      });
    });

    describe("a tag", () => {
      it("has one holder, and a person one tag: handing over cuts the former ties", async () => {
        const registry = await open();
        for (const personId of ["anna", "ben"]) await registry.putPerson({ profile: profileOf(personId) });
        await registry.assignTag("tag-1", "anna");
        await registry.assignTag("tag-2", "ben");
        await registry.assignTag("tag-1", "ben");
        expect(await registry.holderOf("tag-1")).toBe("ben");
        expect(await registry.holderOf("tag-2")).toBeNull();
        expect((await registry.person("anna"))?.tagId).toBeNull();
        expect((await registry.person("ben"))?.tagId).toBe("tag-1");
        await registry.releaseTag("tag-1");
        await registry.releaseTag("tag-1");
        expect(await registry.holderOf("tag-1")).toBeNull();
        expect((await registry.person("ben"))?.tagId).toBeNull();
      });

      it("goes to nobody who is not there", async () => {
        const registry = await open();
        const refused = registry.assignTag("tag-1", "nobody");
        await expect(refused).rejects.toBeInstanceOf(RegistryRefusal);
        await expect(refused).rejects.toMatchObject({ code: "PERSON_UNKNOWN", message: expect.stringContaining('no person "nobody"') as string });
        expect(await registry.holderOf("tag-1")).toBeNull();
      });

      it("that many want at once has one holder in the end, and all agree who", async () => {
        const registry = await open();
        const ids = Array.from({ length: 12 }, (_, i) => `p${i}`);
        await Promise.all(ids.map((personId) => registry.putPerson({ profile: profileOf(personId) })));
        await Promise.all(ids.flatMap((personId, i) => [registry.assignTag("tag-x", personId), registry.assignTag(`tag-${i % 3}`, personId)]));
        for (const tagId of ["tag-x", "tag-0", "tag-1", "tag-2"]) {
          const holder = await registry.holderOf(tagId);
          const carriers = (await registry.people({ after: null, limit: 100 })).filter((person) => person.tagId === tagId).map((person) => person.profile.personId);
          expect(carriers).toEqual(holder === null ? [] : [holder]);
        }
      });
    });

    describe("erasure", () => {
      it("removes person and tie, says which tag it was, and lets the id begin anew", async () => {
        const registry = await open();
        await registry.putPerson({ profile: profileOf("anna"), consent: { given: true, atMs: T0_MS, version: "1" }, settings: { ...defaultPrivacySettings(), level: "precise" } });
        await registry.assignTag("tag-1", "anna");
        expect(await registry.erase("anna")).toEqual({ tagId: "tag-1" });
        expect(await registry.person("anna")).toBeNull();
        expect(await registry.holderOf("tag-1")).toBeNull();
        expect(await registry.people({ after: null, limit: 10 })).toEqual([]);
        expect(await registry.countPeople()).toBe(0);
        expect(await registry.erase("anna")).toBeNull();
        expect(await registry.changeSettings("anna", { level: "precise" })).toBeNull();
        expect(await registry.putPerson({ profile: profileOf("anna") })).toMatchObject({ tagId: null, consent: { given: false }, settings: { level: "zone" } });
        expect(await registry.erase("anna")).toEqual({ tagId: null });
      });
    });

    describe("followers", () => {
      it("are told who changed, in order; a hand-over tells both, an erasure the tag", async () => {
        const registry = await open();
        await registry.putPerson({ profile: profileOf("early") });
        const seen = await followedRegistry(registry);
        await registry.putPerson({ profile: profileOf("anna") });
        await registry.putPerson({ profile: profileOf("ben") });
        await registry.assignTag("tag-1", "anna");
        await registry.assignTag("tag-1", "anna"); // it is so already: nothing to tell
        await registry.assignTag("tag-1", "ben");
        await registry.setConsent("ben", { given: true, atMs: T0_MS, version: "1" });
        await registry.changeSettings("ben", { level: "hidden" });
        await registry.releaseTag("tag-9");
        await registry.erase("ben");
        await registry.erase("anna");
        await registry.erase("nobody");
        await seen.until(() => seen.changes.length >= 9);
        expect(seen.told()).toEqual(["anna", "ben", "anna", "anna", "ben", "ben", "ben", "erased ben tag-1", "erased anna null"]);
      });

      it("that closed hear nothing more; the others do", async () => {
        const registry = await open();
        const leaving = await followedRegistry(registry);
        const staying = await followedRegistry(registry);
        await registry.putPerson({ profile: profileOf("anna") });
        await leaving.until(() => leaving.changes.length === 1);
        await leaving.close();
        await leaving.close();
        await registry.putPerson({ profile: profileOf("ben") });
        await staying.until(() => staying.changes.length === 2);
        expect(leaving.changes).toHaveLength(1);
      });

      it("find, when they ask at once, what they were told of", async () => {
        const registry = await open();
        await registry.putPerson({ profile: profileOf("anna") });
        const levels: Promise<string | undefined>[] = [];
        let done = () => {};
        const all = new Promise<void>((resolve) => (done = resolve));
        await registry.follow(() => {
          levels.push(registry.person("anna").then((person) => person?.settings.level));
          if (levels.length === 1) done();
        });
        await registry.changeSettings("anna", { level: "hidden" });
        await all;
        expect(await levels[0]).toBe("hidden");
      });
    });

    it("does, step by step, what a simple model does", async () => {
      const personId = fc.constantFrom("p1", "p2", "p3");
      const tagId = fc.constantFrom("t1", "t2");
      const step = fc.oneof(
        fc.record({ op: fc.constant("put" as const), personId, company: fc.string({ maxLength: 5 }) }),
        fc.record({ op: fc.constant("assign" as const), personId, tagId }),
        fc.record({ op: fc.constant("release" as const), tagId }),
        fc.record({ op: fc.constant("level" as const), personId, level: fc.constantFrom("hidden" as const, "precise" as const) }),
        fc.record({ op: fc.constant("erase" as const), personId }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const registry = await harness.open();
          try {
            const model = new Map<string, { company: string; level: string; tagId: string | null }>();
            for (const next of steps) {
              if (next.op === "put") {
                await registry.putPerson({ profile: profileOf(next.personId, { company: next.company }) });
                model.set(next.personId, { ...(model.get(next.personId) ?? { level: "zone", tagId: null }), company: next.company });
              } else if (next.op === "assign") {
                const known = model.get(next.personId);
                if (known === undefined) await expect(registry.assignTag(next.tagId, next.personId)).rejects.toBeInstanceOf(RegistryRefusal);
                else {
                  await registry.assignTag(next.tagId, next.personId);
                  for (const person of model.values()) if (person.tagId === next.tagId) person.tagId = null;
                  known.tagId = next.tagId;
                }
              } else if (next.op === "release") {
                await registry.releaseTag(next.tagId);
                for (const person of model.values()) if (person.tagId === next.tagId) person.tagId = null;
              } else if (next.op === "level") {
                const changed = await registry.changeSettings(next.personId, { level: next.level });
                const known = model.get(next.personId);
                expect(changed === null).toBe(known === undefined);
                if (known !== undefined) known.level = next.level;
              } else {
                const erased = await registry.erase(next.personId);
                const known = model.get(next.personId);
                expect(erased).toEqual(known === undefined ? null : { tagId: known.tagId });
                model.delete(next.personId);
              }
            }
            const people = await registry.people({ after: null, limit: 10 });
            expect(people.map((person) => [person.profile.personId, person.profile.company, person.settings.level, person.tagId])).toEqual(
              [...model].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([id, person]) => [id, person.company, person.level, person.tagId]),
            );
            for (const tag of ["t1", "t2"]) expect(await registry.holderOf(tag)).toBe([...model].find(([, person]) => person.tagId === tag)?.[0] ?? null);
            expect(await registry.countPeople()).toBe(model.size);
          } finally {
            await registry.close();
          }
        }),
        { numRuns: 40, seed: 11 },
      );
    });

    it("says that it is closed, in words of the store, whatever is asked", async () => {
      const registry = await harness.open();
      await registry.ping();
      await registry.close();
      await registry.close();
      const asked: (() => Promise<unknown>)[] = [
        () => registry.ping(),
        () => registry.putPerson({ profile: profileOf("anna") }),
        () => registry.person("anna"),
        () => registry.people({ after: null, limit: 1 }),
        () => registry.countPeople(),
        () => registry.assignTag("t", "anna"),
        () => registry.releaseTag("t"),
        () => registry.holderOf("t"),
        () => registry.setConsent("anna", { given: true, atMs: 0, version: "1" }),
        () => registry.changeSettings("anna", {}),
        () => registry.erase("anna"),
        () => registry.follow(() => {}),
      ];
      for (const ask of asked) await expect(ask()).rejects.toBeInstanceOf(StoreUnavailable);
    });
  });
}
