import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lonLatOfVenuePoint, venueMapSchema, type VenueMap } from "@konferenco/protocol";
import type { Observation } from "../../../fusion/src/core/accept.ts";
import type { Fix } from "../../../fusion/src/core/fix.ts";
import { locateByGps } from "../../../fusion/src/core/gps-fix.ts";
import { newPipeline, type FusionOutput, type Pipeline } from "../../../fusion/src/core/pipeline.ts";
import { heardAt, twoFloors, twoRooms, zone } from "../venues.ts";

/** A tag's way: where it is at a moment, null while it is not heard. */
type Way = (atMs: number) => { xM: number; yM: number; floor?: number } | null;

/** Every gateway hears every tag twice a second, at 100 ms past the tick before. */
function walk(pipeline: Pipeline, venue: VenueMap, ways: Record<string, Way>, seconds: number, fromMs = 0): FusionOutput[] {
  const outputs: FusionOutput[] = [];
  for (let nowMs = fromMs + 500; nowMs <= fromMs + seconds * 1_000; nowMs += 500) {
    for (const [tagId, way] of Object.entries(ways)) {
      const place = way(nowMs - 400);
      if (place === null) continue;
      for (const observation of heardAt(venue, { tagId, ...place }, nowMs - 400)) pipeline.step(observation, nowMs);
    }
    outputs.push(pipeline.tick(nowMs));
  }
  return outputs;
}

const zonesTold = (outputs: readonly FusionOutput[]) => outputs.flatMap(({ zoneTransitions }) => zoneTransitions.map(({ transition, tagId, zoneId }) => `${tagId} ${transition} ${zoneId}`));
const stand = (xM: number, yM: number, floor = 0): Way => () => ({ xM, yM, floor });

describe("the pipeline", () => {
  it("somebody who walks from one room to the other is followed there", () => {
    const venue = twoRooms();
    const outputs = walk(newPipeline(venue), venue, { ann: (atMs) => ({ xM: Math.min(15, 5 + Math.max(0, atMs - 20_000) / 1_000), yM: 5 }) }, 60);
    expect(zonesTold(outputs)).toEqual(["ann enter left", "ann exit left", "ann enter right"]);
    const last = outputs.at(-1)?.positions[0];
    expect(Math.hypot((last?.xM as number) - 15, (last?.yM as number) - 5)).toBeLessThan(2);
    expect(last).toMatchObject({ zoneId: "right", floor: 0, source: "beacon" });
  });

  it("a live tag has one position per tick", () => {
    const venue = twoRooms();
    const outputs = walk(newPipeline(venue), venue, { ann: stand(5, 5) }, 10);
    expect(outputs.map(({ positions }) => positions.map(({ atMs }) => atMs))).toEqual(Array.from({ length: 20 }, (_, i) => [(i + 1) * 500]));
  });

  it("what a tick tells comes by tag id, wherever the tags are", () => {
    const venue = twoRooms();
    const people = { ann: stand(15, 8), bob: stand(2, 2), cat: stand(12, 3), dan: stand(5, 5) };
    for (const { positions } of walk(newPipeline(venue), venue, people, 20)) expect(positions.map(({ tagId }) => tagId)).toEqual(["ann", "bob", "cat", "dan"]);
    const crowd = Object.fromEntries(Array.from({ length: 20 }, (_, i): [string, Way] => [`p${10 + i}`, (atMs) => ({ xM: 10 + (i % 2 === 0 ? 1 : -1) * Math.max(-6, 6 - Math.max(0, atMs - 10_000) / 1_000), yM: 1 + 0.4 * i })]));
    const told = walk(newPipeline(venue), venue, crowd, 40).map(({ zoneTransitions }) => zoneTransitions.map(({ tagId, transition }) => `${tagId} ${transition}`));
    expect(told.slice(20).some((one) => one.length > 2)).toBe(true);
    for (const one of told) expect(one.map((each) => each.slice(0, 3))).toEqual(one.map((each) => each.slice(0, 3)).toSorted());
  });

  it("a tag silent for 30 s leaves its zone and its company, and is dropped", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue);
    const silentAfter = (atMs: number) => (atMs < 20_000 ? { xM: 5, yM: 5 } : null);
    const outputs = walk(pipeline, venue, { ann: silentAfter, bob: stand(5.5, 5) }, 60);
    expect(zonesTold(outputs)).toEqual(["ann enter left", "bob enter left", "ann exit left"]);
    const dropped = outputs.find(({ droppedTags }) => droppedTags.length > 0);
    expect(dropped).toMatchObject({ droppedTags: ["ann"], zoneTransitions: [{ transition: "exit", atMs: 50_000 }], proximityTransitions: [{ transition: "apart", tagA: "ann", tagB: "bob" }] });
    expect(dropped?.positions.map(({ tagId }) => tagId)).toEqual(["bob"]);
    expect(pipeline.counts().tags).toBe(1);
  });

  it("a tag that often pauses is waited for up to a minute", () => {
    const venue = twoRooms();
    const gatewayId = (venue.gateways[0] as VenueMap["gateways"][number]).gatewayId;
    const shownForMs = (...heardS: number[]) => {
      const pipeline = newPipeline(venue);
      let lastMs = 0;
      for (let nowMs = 500; nowMs <= 120_000; nowMs += 500) {
        if (heardS.includes(nowMs / 1_000)) pipeline.step({ gatewayId, tagId: "ann", rssiDbm: -90, heardAtMs: nowMs }, nowMs);
        if (pipeline.tick(nowMs).positions.length > 0) lastMs = nowMs;
      }
      return lastMs + 500 - 1_000 * Math.max(...heardS);
    };
    expect(shownForMs(1, 2, 3)).toBe(30_000);
    expect(shownForMs(1, 2, 3, 17)).toBe(42_000);
    expect(shownForMs(1, 2, 3, 28)).toBe(60_000);
    // Who was away and is back may go away again.
    expect(shownForMs(1, 2, 3, 40)).toBe(60_000);
  });

  it("a tag that was here lately is taken on at its first packet; after ten minutes, or erased, it is a stranger", () => {
    const venue = twoRooms();
    const gatewayId = (venue.gateways[0] as VenueMap["gateways"][number]).gatewayId;
    const shownAfterOnePacket = (silentMs: number, { erased = false, mostStrangers = 10 } = {}) => {
      const pipeline = newPipeline(venue, { maxCandidates: mostStrangers });
      const hear = (tagId: string, nowMs: number) => pipeline.step({ gatewayId, tagId, rssiDbm: -70, heardAtMs: nowMs - 100 }, nowMs);
      for (const tagId of ["ann", "bob"]) for (let i = 0; i < 3; i++) hear(tagId, 500);
      for (let nowMs = 500; nowMs <= 500 + silentMs; nowMs += 500) pipeline.tick(nowMs);
      expect(pipeline.counts().tags).toBe(0);
      if (erased) pipeline.drop("ann");
      const goBack = pipeline.save();
      const play = () => {
        hear("ann", 1_000 + silentMs);
        return pipeline.tick(1_000 + silentMs).positions;
      };
      const positions = play();
      goBack();
      expect(play()).toEqual(positions);
      return positions.length === 1;
    };
    expect(shownAfterOnePacket(60_000)).toBe(true);
    expect(shownAfterOnePacket(640_000)).toBe(false);
    expect(shownAfterOnePacket(60_000, { erased: true })).toBe(false);
    expect(shownAfterOnePacket(60_000, { mostStrangers: 1 })).toBe(false);
  });

  it("a tag that is heard once in four seconds has a position from its third reading on, and its zone", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue);
    const near = venue.gateways.find(({ zoneId }) => zoneId === "left") as VenueMap["gateways"][number];
    const positions: FusionOutput["positions"] = [];
    for (let nowMs = 500; nowMs <= 40_000; nowMs += 500) {
      if (nowMs % 4_000 === 0) pipeline.step({ gatewayId: near.gatewayId, tagId: "ann", rssiDbm: -70, heardAtMs: nowMs - 100 }, nowMs);
      positions.push(...pipeline.tick(nowMs).positions);
    }
    expect(positions.map(({ atMs }) => atMs)).toEqual(Array.from({ length: (40_000 - 12_000) / 500 + 1 }, (_, i) => 12_000 + i * 500));
    expect(positions.every(({ zoneId }) => zoneId === "left")).toBe(true);
  });

  it("a tag that is silent for a while is still shown, less and less surely", () => {
    const venue = twoRooms();
    const outputs = walk(newPipeline(venue), venue, { ann: (atMs) => (atMs < 10_000 ? { xM: 5, yM: 5 } : null) }, 35);
    const silent = outputs.slice(32).flatMap(({ positions }) => positions);
    expect(silent.length).toBe(38);
    silent.slice(1).forEach((position, i) => {
      expect(position.accuracy95M).toBeGreaterThan(silent[i]?.accuracy95M as number);
      expect(position.confidence).toBeLessThan(silent[i]?.confidence as number);
      expect(position.zoneId).toBe("left");
    });
  });

  it("somebody who takes the stairs changes floor", () => {
    const venue = twoFloors();
    const outputs = walk(newPipeline(venue), venue, { ann: (atMs) => ({ xM: 5, yM: 5, floor: atMs < 20_000 ? 0 : 1 }) }, 40);
    expect(zonesTold(outputs)).toEqual(["ann enter below", "ann exit below", "ann enter above"]);
    expect(outputs.at(-1)?.positions[0]?.floor).toBe(1);
  });

  it("a reading of +42 or an impossible jump of one gateway does not move a tag", () => {
    const venue = twoRooms();
    const [calm, jolted] = [newPipeline(venue), newPipeline(venue)];
    for (const pipeline of [calm, jolted]) walk(pipeline, venue, { ann: stand(5, 5) }, 20);
    jolted.step({ tagId: "ann", gatewayId: "right-corner", rssiDbm: -5, heardAtMs: 20_050 }, 20_100);
    const next = (pipeline: Pipeline) => walk(pipeline, venue, { ann: stand(5, 5) }, 5, 20_000).flatMap(({ positions }) => positions.map(({ xM, yM }) => [xM, yM]));
    expect(next(jolted)).toEqual(next(calm));
    expect(jolted.counts().outliers).toBe(1);
  });

  it("a stranger who is heard twice is no tag", () => {
    const pipeline = newPipeline(twoRooms());
    const pass = (tagId: string, heardAtMs: number) => pipeline.step({ tagId, gatewayId: "left-middle", rssiDbm: -60, heardAtMs }, heardAtMs);
    for (let i = 0; i < 1_000; i++) for (const heardAtMs of [i, i + 1]) pass(`stranger-${i}`, heardAtMs);
    expect(pipeline.counts()).toMatchObject({ tags: 0, candidates: 1_000, smoothed: 0 });
    expect(pipeline.tick(2_000).positions).toEqual([]);
    pass("stranger-7", 2_100);
    expect(pipeline.counts()).toMatchObject({ tags: 1, candidates: 999, smoothed: 3 });
    pipeline.tick(60_000);
    expect(pipeline.counts()).toMatchObject({ tags: 0, candidates: 0 });
  });

  it("a flood of strangers pushes out the oldest and takes no more room", () => {
    const pipeline = newPipeline(twoRooms(), { maxCandidates: 100 });
    for (let i = 0; i < 5_000; i++) pipeline.step({ tagId: `s${i}`, gatewayId: "left-middle", rssiDbm: -60, heardAtMs: i }, i);
    expect(pipeline.counts().candidates).toBe(100);
  });

  it("beyond the limit of tags further ones are refused and counted, and those that are there go on", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue, { maxTags: 2 });
    const outputs = walk(pipeline, venue, { ann: stand(5, 5), bob: stand(15, 5), eve: stand(5, 5) }, 10);
    expect(outputs.at(-1)?.positions.map(({ tagId }) => tagId)).toEqual(["ann", "bob"]);
    expect(pipeline.counts().tagLimit).toBeGreaterThan(0);
  });

  it("a gateway's own transmitter is a link to calibrate by, never a tag, and what it hears of itself is nothing", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue);
    const outputs = walk(pipeline, venue, { "gateway:left-middle": stand(5, 5) }, 10);
    expect(outputs.flatMap(({ positions }) => positions)).toEqual([]);
    expect(pipeline.counts()).toMatchObject({ tags: 0, candidates: 0, calibration: 80, calibrationLinks: 3 });
    expect(pipeline.calibrationLinks().find(({ byGatewayId }) => byGatewayId === "right-middle")).toMatchObject({ fromGatewayId: "left-middle", rssiDbm: expect.closeTo(-80, 0), samples: 20 });
  });

  it("an observation of a gateway that the map does not have is counted, no more", () => {
    const pipeline = newPipeline(twoRooms());
    for (let i = 0; i < 5; i++) pipeline.step({ tagId: "ann", gatewayId: "stranger", rssiDbm: -50, heardAtMs: i }, i);
    expect(pipeline.counts()).toMatchObject({ unknownGateway: 5, tags: 0, candidates: 0 });
  });

  it("GPS alone carries a tag, and beside beacons makes fusion", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue);
    const gps = (xM: number): Fix => ({ tagId: "ann", atMs: 0, xM, yM: 5, floor: 0, accuracy95M: 6, source: "gps", zoneEvidence: null });
    pipeline.locate(gps(30), 100);
    expect(pipeline.tick(500).positions).toMatchObject([{ xM: 30, source: "gps", zoneId: null, confidence: 0 }]);
    pipeline.locate({ ...gps(5), atMs: 10_000 }, 10_000);
    const outputs = walk(pipeline, venue, { ann: stand(5, 5) }, 10, 10_000);
    expect(outputs.some(({ positions }) => positions[0]?.source === "fusion")).toBe(true);
    expect(outputs.at(-1)?.positions[0]?.source).toBe("beacon");
  });

  it("who goes out into the yard is told to be there by GPS alone, and by beacons again once back inside, where GPS is not asked", () => {
    const origin = { lat: 50.85, lon: 4.35, bearingDeg: 30 };
    const venue = venueMapSchema.parse({ ...twoRooms(), origin, zones: [...twoRooms().zones, zone("yard", [25, -10, 60, 20], { kind: "outdoor" })] });
    const pipeline = newPipeline(venue);
    const gps = (xM: number, atMs: number) =>
      pipeline.locate(locateByGps({ v: 1, source: "gps", tagId: "ann", atMs, ...lonLatOfVenuePoint({ xM, yM: 5 }, origin), accuracy95M: 6, floor: 0 }, venue, pipeline.venue, atMs) as Fix, atMs);
    const outputs = walk(pipeline, venue, { ann: stand(5, 5) }, 20);
    for (let nowMs = 20_500; nowMs <= 60_000; nowMs += 500) {
      if (nowMs % 1_000 === 0) gps(40, nowMs);
      outputs.push(pipeline.tick(nowMs));
    }
    expect(outputs.at(-1)?.positions).toMatchObject([{ zoneId: "yard", confidence: expect.closeTo(1, 1) }]);
    gps(40, 60_400);
    outputs.push(...walk(pipeline, venue, { ann: stand(5, 5) }, 20, 60_500));
    expect(zonesTold(outputs).filter((told) => !told.includes("dwell"))).toEqual(["ann enter left", "ann exit left", "ann enter yard", "ann exit yard", "ann enter left"]);
  });

  it("who checks in is told to be there at once, though gateways hear the tag next door, and for as long as one stands at a desk", () => {
    const venue = twoRooms();
    const pipeline = newPipeline(venue);
    const outputs = walk(pipeline, venue, { ann: stand(7, 5) }, 20);
    pipeline.locate({ tagId: "ann", atMs: 20_100, xM: 15, yM: 5, floor: 0, accuracy95M: 3, source: "check-in", zoneEvidence: { places: [1], probability: [1], certain: true } }, 20_100);
    const after = walk(pipeline, venue, { ann: stand(7, 5) }, 30, 20_000);
    expect(zonesTold([...outputs, ...after])).toEqual(["ann enter left", "ann exit left", "ann enter right", "ann exit right", "ann enter left"]);
    const [entered, left] = [after.find(({ zoneTransitions }) => zoneTransitions.length > 0), after.findLast(({ zoneTransitions }) => zoneTransitions.length > 0)];
    expect(entered?.zoneTransitions[0]?.atMs).toBe(20_500);
    expect(left?.zoneTransitions[0]?.atMs).toBeGreaterThanOrEqual(30_000);
  });

  it("a phone at rest that reports once a minute is not forgotten in between", () => {
    const pipeline = newPipeline(twoRooms());
    const desk: Fix = { tagId: "ann", atMs: 0, xM: 5, yM: 5, floor: 0, accuracy95M: 3, source: "check-in", zoneEvidence: { places: [0], probability: [1], certain: true } };
    const outputs: FusionOutput[] = [];
    for (let nowMs = 500; nowMs <= 200_000; nowMs += 500) {
      if (nowMs % 60_000 === 500 && nowMs < 120_000) pipeline.locate({ ...desk, atMs: nowMs }, nowMs);
      outputs.push(pipeline.tick(nowMs));
    }
    expect(zonesTold(outputs)).toEqual(["ann enter left", "ann dwell left", "ann exit left"]);
    expect(outputs.flatMap(({ zoneTransitions }) => zoneTransitions).at(-1)?.atMs).toBe(180_500);
  });

  it("a restarted process goes on where the last one stopped: no second enter, and the exit comes", () => {
    const venue = twoRooms();
    const before = walk(newPipeline(venue), venue, { ann: stand(5, 5), bob: stand(15, 5) }, 20);
    const pipeline = newPipeline(venue);
    for (const position of before.at(-1)?.positions ?? []) pipeline.restore(position);
    const outputs = walk(pipeline, venue, { ann: stand(5, 5) }, 60, 20_500);
    expect(zonesTold(outputs)).toEqual(["bob exit right", "ann dwell left"]);
    expect(outputs[0]?.positions.map(({ tagId }) => tagId)).toEqual(["ann", "bob"]);
  });
});

// ---- properties

interface Heard {
  tag: number;
  gateway: number;
  rssiDbm: number;
  delayMs: number;
}
const venue = twoRooms();
const anyHeard = fc.record<Heard>({
  tag: fc.integer({ min: 0, max: 2 }),
  gateway: fc.integer({ min: 0, max: 3 }),
  rssiDbm: fc.double({ min: -120, max: -1, noNaN: true }),
  delayMs: fc.integer({ min: 0, max: 499 }),
});
const anyTicks = fc.array(fc.array(anyHeard, { maxLength: 12 }), { maxLength: 50 });

/** Plays what was heard before each tick; batches are per gateway, in the given order of gateways. */
function play(ticks: readonly Heard[][], { shiftMs = 0, order = [0, 1, 2, 3] } = {}): FusionOutput[] {
  const pipeline = newPipeline(venue);
  return ticks.map((heard, i) => {
    const nowMs = shiftMs + (i + 1) * 500;
    for (const gateway of order) {
      for (const one of heard.filter((candidate) => candidate.gateway === gateway)) {
        const observation: Observation = { tagId: `t${one.tag}`, gatewayId: venue.gateways[gateway]?.gatewayId as string, rssiDbm: one.rssiDbm, heardAtMs: nowMs - one.delayMs };
        pipeline.step(observation, nowMs);
      }
    }
    return pipeline.tick(nowMs);
  });
}

describe("the pipeline, whatever is heard", () => {
  it("makes finite numbers, confidences between 0 and 1, and enters and exits that alternate", () => {
    fc.assert(
      fc.property(anyTicks, (ticks) => {
        const inside = new Map<string, string>();
        for (const { positions, zoneTransitions } of play(ticks)) {
          for (const { transition, tagId, zoneId } of zoneTransitions) {
            if (transition === "enter") {
              expect(inside.has(tagId)).toBe(false);
              inside.set(tagId, zoneId);
            } else {
              expect(inside.get(tagId)).toBe(zoneId);
              if (transition === "exit") inside.delete(tagId);
            }
          }
          for (const { tagId, xM, yM, vxMps, vyMps, accuracy95M, confidence, zoneId } of positions) {
            for (const number of [xM, yM, vxMps, vyMps, accuracy95M, confidence]) expect(Number.isFinite(number)).toBe(true);
            expect(accuracy95M).toBeGreaterThan(0);
            expect(confidence).toBeGreaterThanOrEqual(0);
            expect(confidence).toBeLessThanOrEqual(1);
            expect(zoneId).toBe(inside.get(tagId) ?? null);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gives the same at any time of day", () => {
    const unshift = (outputs: readonly FusionOutput[], shiftMs: number) => JSON.stringify(outputs, (key, value: unknown) => (key === "atMs" ? (value as number) - shiftMs : value));
    fc.assert(
      fc.property(anyTicks, fc.integer({ min: 0, max: 4_000_000_000 }), (ticks, halves) => {
        const shiftMs = halves * 500;
        expect(unshift(play(ticks, { shiftMs }), shiftMs)).toBe(unshift(play(ticks), 0));
      }),
      { numRuns: 40 },
    );
  });

  it("does not depend on which gateway reports first", () => {
    fc.assert(
      fc.property(anyTicks, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (ticks, order) => {
        expect(JSON.stringify(play(ticks, { order }))).toBe(JSON.stringify(play(ticks)));
      }),
      { numRuns: 40 },
    );
  });

  it("gives twice the same", () => {
    fc.assert(
      fc.property(anyTicks, (ticks) => {
        expect(JSON.stringify(play(ticks))).toBe(JSON.stringify(play(ticks)));
      }),
      { numRuns: 20 },
    );
  });
});
