import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultPrivacySettings, applyPrivacyChange, type Position, type PrivacyChange, type Update } from "@konferenco/protocol";
import { parseCsv } from "../../../bridge/src/core/csv.ts";
import { LivePicture } from "../../../bridge/src/core/live-picture.ts";
import { selectNearby, type Candidate, type NearbyQuery } from "../../../bridge/src/core/nearby.ts";
import { PublicOccupancy, RELEASE_WINDOW_MS, publicCount } from "../../../bridge/src/core/occupancy.ts";
import { compilePolicy, type Viewer } from "../../../bridge/src/core/privacy-policy.ts";
import { KeyedBuckets, newBucket, takeToken } from "../../../bridge/src/core/token-bucket.ts";

describe("a list of people as CSV", () => {
  const cells = (text: string) => parseCsv(text).rows.map((row) => row.cells);

  it("knows quotes, commas and line ends inside them, and doubled quotes", () => {
    expect(cells('a,b\r\n"x, y","he said ""hi""\nand left"\r\n')).toEqual([["a", "b"], ["x, y", 'he said "hi"\nand left']]);
  });

  it("names the line on which a record begins, counting those inside quotes", () => {
    expect(parseCsv('a\n"1\n2\n3"\nb\n\nc').rows.map((row) => row.line)).toEqual([1, 2, 5, 7]);
  });

  it("skips a byte order mark and empty lines, keeps empty cells", () => {
    expect(cells("\ufeffa,b\n\n,\n")).toEqual([["a", "b"], ["", ""]]);
  });

  it("says which record opens a quote that nobody closes", () => {
    expect(parseCsv('a\nb,"c\nd').unclosed).toBe(2);
    expect(parseCsv('a\n"b"').unclosed).toBeNull();
  });

  it("what is written by the rules is read back, whatever it is", () => {
    const quote = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    const cell = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", " ", "ü"), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), (table) => {
        expect(cells(table.map((row) => row.map(quote).join(",")).join("\r\n"))).toEqual(table);
      }),
    );
  });
});

describe("how full a zone is, for the public", () => {
  it("a nearly empty zone is few whatever the dice, so that no number of windows tells whether one person is there", () => {
    for (let count = 0; count <= 3; count++) for (let a = 0; a < 1; a += 0.001) expect(publicCount(count, [a, 0])).toBe("few");
    expect(publicCount(4, [0.99, 0])).not.toBe("few");
  });

  it("counts below ten are few, like none; others are rounded to five", () => {
    expect([0, 1, 9].map((count) => publicCount(count, [0, 0]))).toEqual(["few", "few", "few"]);
    expect([10, 12, 13].map((count) => publicCount(count, [0, 0]))).toEqual([10, 10, 15]);
  });

  it("the noise goes both ways and is small", () => {
    expect(publicCount(100, [0.9, 0])).toBeGreaterThan(100);
    expect(publicCount(100, [0, 0.9])).toBeLessThan(100);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.double({ min: 0, max: 0.999, noNaN: true }), (a, b) => {
        const shown = publicCount(1_000, [a, b]);
        expect(shown === "few" ? 0 : Math.abs(shown - 1_000)).toBeLessThan(20);
      }),
    );
  });

  it("one release per window: asking again and again gives the same, whoever came meanwhile", () => {
    const occupancy = new PublicOccupancy(() => [0.5, 0.5]);
    expect(occupancy.needsCounts(0)).toBe(true);
    occupancy.release(["a", "b"], new Map([["a", 40]]), 0);
    expect(occupancy.zones).toEqual([{ zoneId: "a", count: 40 }, { zoneId: "b", count: "few" }]);
    expect(occupancy.needsCounts(RELEASE_WINDOW_MS - 1)).toBe(false);
    expect(occupancy.needsCounts(RELEASE_WINDOW_MS)).toBe(true);
  });
});

describe("the live picture", () => {
  const position = (tagId: string, more: Partial<Position> = {}): Position => ({ tagId, atMs: 0, xM: 1, yM: 2, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon", zoneId: null, ...more });
  const zone = (transition: "enter" | "exit", tagId: string, zoneId: string, atMs = 0): Update => ({ updateId: { epoch: "e", offset: 1 }, storedAtMs: atMs, body: { kind: "zone", zone: { transition, tagId, zoneId, floor: 0, atMs, confidence: 1 } } });

  it("follows tags from zone to zone and remembers since when", () => {
    const picture = new LivePicture();
    picture.apply(zone("enter", "t", "a", 5), 0);
    expect(picture.standing("t")).toMatchObject({ zoneId: "a", zoneSinceMs: 5 });
    picture.apply(zone("exit", "t", "b", 6), 0);
    expect(picture.standing("t")).toMatchObject({ zoneId: "a" });
    picture.apply(zone("exit", "t", "a", 7), 0);
    expect(picture.standing("t")).toMatchObject({ zoneId: null });
  });

  it("an older position does not replace a newer one", () => {
    const picture = new LivePicture();
    picture.setPosition(position("t", { atMs: 5, xM: 5 }), 0);
    picture.setPosition(position("t", { atMs: 4, xM: 4 }), 0);
    expect(picture.standing("t")?.position?.xM).toBe(5);
  });

  it("forgets what it has not heard of for five minutes, and nothing else", () => {
    const picture = new LivePicture();
    picture.setPosition(position("old"), 0);
    picture.setPosition(position("new"), 1);
    expect(picture.sweep(300_000)).toEqual([]);
    expect(picture.sweep(300_001)).toEqual(["old"]);
    expect([picture.standing("old"), picture.tagCount]).toEqual([null, 1]);
  });

  it("counts who is where", () => {
    const picture = new LivePicture();
    for (const tagId of ["1", "2", "3"]) picture.setPosition(position(tagId, { zoneId: tagId === "3" ? "b" : "a" }), 0);
    expect([...picture.countByZone((tagId) => tagId !== "2")]).toEqual([["a", 1], ["b", 1]]);
    expect(["a", "b", "nowhere"].map((zoneId) => picture.countIn(zoneId))).toEqual([2, 1, 0]);
  });

  it("the counts that it keeps are those that one would count", () => {
    const tagId = fc.constantFrom("1", "2", "3", "4");
    const zoneId = fc.constantFrom("a", "b");
    const step = fc.oneof(
      fc.record({ kind: fc.constant("position" as const), tagId, zoneId: fc.option(zoneId) }),
      fc.record({ kind: fc.constantFrom("enter" as const, "exit" as const), tagId, zoneId }),
      fc.record({ kind: fc.constantFrom("drop" as const, "sweep" as const), tagId, zoneId }),
      fc.record({ kind: fc.constant("clear" as const), tagId, zoneId }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const picture = new LivePicture();
        steps.forEach((each, index) => {
          const nowMs = index * 60_000;
          if (each.kind === "position") picture.setPosition(position(each.tagId, { zoneId: each.zoneId, atMs: nowMs }), nowMs);
          else if (each.kind === "enter" || each.kind === "exit") picture.apply(zone(each.kind, each.tagId, each.zoneId, nowMs), nowMs);
          else if (each.kind === "drop") picture.drop(each.tagId);
          else if (each.kind === "sweep") picture.sweep(nowMs);
          else picture.clear();
          const counted = picture.countByZone(() => true);
          for (const name of ["a", "b"]) expect(picture.countIn(name)).toBe(counted.get(name) ?? 0);
        });
      }),
    );
  });
});

describe("who is nearby", () => {
  const policy = (personId: string, change: PrivacyChange = {}, interests: string[] = []) =>
    compilePolicy({
      profile: { personId, name: personId, role: "attendee", company: "", interests, lookingFor: "", connections: [] },
      tagId: null,
      consent: { given: true, atMs: 0, version: "1" },
      settings: applyPrivacyChange(defaultPrivacySettings(), change),
    });
  const precise: PrivacyChange = { level: "precise", audiences: { attendees: "precise" } };
  const from = { xM: 0, yM: 0, floor: 0, zoneId: "room-a" };
  const me = policy("me", {}, ["AI", "Rust"]);
  const viewer: Viewer = { role: "attendee", personId: "me", self: me };
  const names = (candidates: Candidate[], query: Partial<NearbyQuery> = {}, widthM = 28) =>
    selectNearby(candidates, viewer, from, { within: "near", interests: [], ...query }, () => widthM).map((person) => `${person.personId} ${person.within}`);

  it("not oneself, nobody twice, finest bands first, then shared interests, then names; never by distance", () => {
    const candidates = [
      { subject: me, at: from },
      { subject: policy("zoe"), at: from },
      { subject: policy("ben", precise), at: { ...from, xM: 9 } },
      { subject: policy("abe", precise), at: { ...from, xM: 2 } },
      { subject: policy("cleo", precise, ["ai"]), at: { ...from, xM: 9.9 } },
      { subject: policy("abe", precise), at: from },
      { subject: policy("dan", precise), at: { ...from, xM: 40, zoneId: "room-b" } },
    ];
    expect(names(candidates)).toEqual(["cleo 10m", "abe 10m", "ben 10m", "dan 50m", "zoe same_zone"]);
  });

  it("of three within 50 m only the one who shares an interest, in whatever case it is written", () => {
    const candidates = [["ai"], ["cooking"], []].map((interests, index) => ({ subject: policy(`p${index}`, precise, interests), at: { ...from, xM: 20 } }));
    expect(names(candidates, { within: "50m", interests: ["AI"] })).toEqual(["p0 50m"]);
    expect(selectNearby(candidates, viewer, from, { within: "50m", interests: [] }, () => 28)[0]).toMatchObject({ personId: "p0", sharedInterests: ["ai"] });
  });

  it("the same zone is the same zone: ten metres away may be the next room", () => {
    const nextDoor = { subject: policy("ben", precise), at: { ...from, xM: 2, zoneId: "room-b" } };
    const here = { subject: policy("cleo"), at: { ...from, xM: 15 } };
    expect(names([nextDoor, here], { within: "same_zone" })).toEqual(["cleo same_zone"]);
  });

  it("somebody in the same zone is within 50 m if the whole zone is, and not said to be otherwise", () => {
    const here = [{ subject: policy("cleo"), at: from }];
    expect(names(here, { within: "50m" }, 28)).toEqual(["cleo same_zone"]);
    expect(names(here, { within: "50m" }, 51)).toEqual([]);
    expect(names(here, { within: "10m" }, 28)).toEqual([]);
    expect(names(here, { within: "10m" }, 9)).toEqual(["cleo same_zone"]);
  });

  it("people who show the venue only are found in the whole venue, not by coming near", () => {
    const candidates = [{ subject: policy("ben", { level: "venue" }), at: from }, { subject: policy("cleo", { level: "hidden" }), at: from }];
    expect(names(candidates)).toEqual([]);
    expect(names(candidates, { within: "same_venue" })).toEqual(["ben same_venue"]);
  });

  it("at most twenty", () => {
    expect(names(Array.from({ length: 30 }, (_, index) => ({ subject: policy(`p${index}`), at: from })))).toHaveLength(20);
  });
});

describe("rates", () => {
  it("a burst passes, then one at a time, and the wait is said", () => {
    const rate = { perS: 2, burst: 3 };
    const bucket = newBucket(rate, 0);
    expect([0, 0, 0, 0].map((nowMs) => takeToken(bucket, rate, nowMs))).toEqual([0, 0, 0, 500]);
    expect(takeToken(bucket, rate, 500)).toBe(0);
    expect(takeToken(bucket, rate, 1e9)).toBe(0);
    expect(bucket.tokens).toBe(2);
  });

  it("each key has its own, and the oldest is forgotten at the bound", () => {
    const buckets = new KeyedBuckets({ perS: 1, burst: 1 }, 2);
    expect([buckets.take("a", 0), buckets.take("a", 0), buckets.take("b", 0)]).toEqual([0, 1_000, 0]);
    buckets.take("c", 0);
    expect(buckets.take("a", 0)).toBe(0);
  });
});
