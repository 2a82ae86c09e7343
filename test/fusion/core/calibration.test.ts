import { describe, expect, it } from "vitest";
import type { VenueMap } from "@konferenco/protocol";
import { newCalibration, senderOf } from "../../../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newPipeline } from "../../../fusion/src/core/pipeline.ts";
import type { SurveyPoint } from "../../../fusion/src/core/radio-map.ts";
import { newVenueGrid, type VenueGrid } from "../../../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { heardAt, levelDbm, office, openHall, twoFloors, twoRooms } from "../venues.ts";

function prepared(survey: readonly SurveyPoint[] = [], map = twoRooms()) {
  const index = indexVenue(map);
  return newCalibration(map, index, newVenueGrid(map, index) as VenueGrid, survey, config);
}

/** Every gateway sends once a second and all others hear it. */
function hearEachOther(map: VenueMap, pipeline: ReturnType<typeof newPipeline>, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 1_000) {
    for (const { gatewayId, xM, yM } of map.gateways) {
      for (const observation of heardAt(map, { tagId: `gateway:${gatewayId}`, xM, yM }, nowMs)) if (observation.gatewayId !== gatewayId) pipeline.step(observation, nowMs);
    }
    pipeline.tick(nowMs + 500);
  }
}

describe("how few gateways watch a place", () => {
  it("is told by how many see each other on the open floor, within bounds", () => {
    expect([2, 4, 6, 8, 10, 12, 40].map((gateways) => prepared([], openHall(gateways)).scarcity(0))).toEqual([2, 2, 8 / 6, 1, 0.8, 2 / 3, 2 / 3]);
  });

  it("is nothing out of the usual where walls tell places apart, or where a gateway is alone", () => {
    expect(prepared([], openHall(1)).scarcity(0)).toBe(1);
    const rooms = prepared([], office());
    expect(rooms.scarcity(2)).toBe(1);
    // Of three others one hangs in the same room.
    expect(rooms.scarcity(0)).toBeCloseTo(2 ** (1 / 3), 9);
  });

  it("counts no gateway of another floor", () => {
    expect(prepared([], twoFloors()).scarcity(0)).toBe(2);
  });
});

describe("what is calibrated, and from what", () => {
  it("before anything is heard the priors stand, and say so", () => {
    expect(prepared().state(0)).toMatchObject({ basis: "prior", heardLinks: 0, residualDb: null, pathLossExponent: config.priorPathLossExponent, trafficGainNats: null });
  });

  it("gateways that hear each other calibrate the building within seconds", () => {
    const map = twoRooms();
    const pipeline = newPipeline(map);
    hearEachOther(map, pipeline, 1_000, 12_000);
    const state = pipeline.calibration(12_000);
    expect(state).toMatchObject({ basis: "links", heardLinks: 12, unheardLinks: 0 });
    expect(state?.residualDb).toBeLessThan(3);
    expect(state?.calibratedAtMs).toBeGreaterThan(0);
  });

  it("what tags sent is what it rests on only as long as that explains what was held back", () => {
    const map = openHall(8);
    const grid = newVenueGrid(map, indexVenue(map)) as VenueGrid;
    const calibration = prepared([], map);
    const expectedDbm = calibration.levels.levelDbm.map((levels) => levels.slice());
    const sendFrom = (cellOf: (i: number) => number, fromMs: number) => {
      for (let i = 0; i < 100; i++) {
        const cell = cellOf(i) % grid.cells;
        const hearings = map.gateways.map((_, gateway) => ({ gateway, rssiDbm: ((expectedDbm[gateway] as Float32Array)[cell - (calibration.levels.firstCell[gateway] as number)] as number) + (gateway === 0 ? 8 : 0), weight: 0.7 }));
        calibration.learn({ xM: grid.xM[cell] as number, yM: grid.yM[cell] as number, hearings, offsetDb: 0 }, fromMs + 1_000 * i);
      }
      calibration.refresh(fromMs + 600_000);
      return calibration.state(fromMs + 600_000);
    };
    const offsetsDb = (state: ReturnType<typeof sendFrom>) => state.gateways.map(({ offsetDb }) => offsetDb);
    const walked = sendFrom((i) => 97 * i, 0);
    expect(walked).toMatchObject({ basis: "traffic", trafficGainNats: expect.any(Number) });
    expect(offsetsDb(walked)[0]).toBeGreaterThan(2);
    // Who then all stand in one spot teach nothing.
    const stood = sendFrom(() => 5, 1_000_000);
    expect(stood).toMatchObject({ basis: "prior", trafficGainNats: null });
    expect(offsetsDb(stood)).toEqual(map.gateways.map(() => 0));
  });

  it("doubts positions where gateways hear each other as no law would have it, within bounds, and never beside a survey", () => {
    const map = openHall(8);
    const heardWith = (calibration: ReturnType<typeof prepared>, offByDb: number) => {
      for (const nowMs of [1_000, 2_000, 3_000]) {
        map.gateways.forEach(({ gatewayId, xM, yM }, from) => {
          heardAt(map, { tagId: `gateway:${gatewayId}`, xM, yM }, nowMs).forEach((observation, by) => {
            // By sums of their numbers, in both directions alike: neither distance nor offsets of gateways explain it.
            const isLouder = Math.floor((from + by) / 2) % 2 === 0;
            if (by !== from) calibration.noteLink(from, by, { ...observation, rssiDbm: observation.rssiDbm + (isLouder ? offByDb : -offByDb) });
          });
        });
        calibration.refresh(nowMs);
      }
      calibration.refresh(10_000);
      return calibration.doubt();
    };
    expect(prepared([], map).doubt()).toBe(1);
    expect(heardWith(prepared([], map), 0)).toBe(1);
    const some = heardWith(prepared([], map), 9);
    expect(some).toBeGreaterThan(1.1);
    expect(some).toBeLessThan(2);
    expect(heardWith(prepared([], map), 30)).toBe(2);
    const survey = Array.from({ length: 35 }, (_, i) => [2 + (i % 7) * 2, 2 + Math.floor(i / 7) * 2] as const).flatMap(([xM, yM]) =>
      map.gateways.map((gateway) => ({ xM, yM, floor: 0, gatewayId: gateway.gatewayId, rssiDbm: levelDbm(Math.hypot(gateway.xM - xM, gateway.yM - yM)), count: 4 })),
    );
    expect(heardWith(prepared(survey, map), 30)).toBe(1);
  });

  it("who is heard first does not change what comes out", () => {
    const map = twoRooms();
    const [forward, backward] = [newPipeline(map), newPipeline({ ...map })];
    for (let nowMs = 1_000; nowMs < 12_000; nowMs += 1_000) {
      const heard = map.gateways.flatMap(({ gatewayId, xM, yM }) => heardAt(map, { tagId: `gateway:${gatewayId}`, xM, yM }, nowMs).filter((observation) => observation.gatewayId !== gatewayId));
      for (const observation of heard) forward.step(observation, nowMs);
      for (const observation of heard.reverse()) backward.step(observation, nowMs);
      forward.tick(nowMs + 500);
      backward.tick(nowMs + 500);
    }
    expect(backward.calibration(12_000)).toEqual(forward.calibration(12_000));
  });

  it("a survey becomes the expected level, and foretells spots that it left out", () => {
    const map = twoRooms();
    const survey = Array.from({ length: 50 }, (_, i) => [1 + (i % 10) * 2, 1 + Math.floor(i / 10) * 2] as const).flatMap(([xM, yM]) =>
      map.gateways.map((gateway) => ({ xM, yM, floor: 0, gatewayId: gateway.gatewayId, rssiDbm: levelDbm(Math.hypot(gateway.xM - xM, gateway.yM - yM)) - (gateway.gatewayId === "left-corner" ? 6 : 0), count: 4 })),
    );
    const state = prepared(survey).state(0);
    expect(state).toMatchObject({ basis: "survey", surveySpots: 50 });
    expect(state.residualDb).toBeLessThan(4);
    expect(state.gateways.find(({ gatewayId }) => gatewayId === "left-corner")?.offsetDb).toBeLessThan(-2);
  });

  it("a spot that was passed in a second tells nothing of who would not have heard it; one with many packets does", () => {
    const map = twoRooms();
    const survey = (packets: number): SurveyPoint[] =>
      Array.from({ length: 50 }, (_, i) => [1 + (i % 10) * 2, 1 + Math.floor(i / 10) * 2] as const).flatMap(([xM, yM], spot) =>
        map.gateways
          // One spot in the middle has no row of this gateway, which hears its neighbours well.
          .filter(({ gatewayId }) => spot !== 22 || gatewayId !== "left-corner")
          .map((gateway) => ({ xM, yM, floor: 0, gatewayId: gateway.gatewayId, rssiDbm: levelDbm(Math.hypot(gateway.xM - xM, gateway.yM - yM)), count: packets })),
      );
    const whole = prepared(survey(1)).state(0).residualDb as number;
    expect(whole).toBeLessThan(1.5);
    expect(prepared(survey(20)).state(0).residualDb).toBeGreaterThan(1.5 * whole);
  });

  it("a gateway is listening while it hears; one that used to hear its neighbours and does not is dead, until it hears again", () => {
    const calibration = prepared();
    const link = { tagId: "gateway:left-corner", gatewayId: "left-middle", rssiDbm: -70, heardAtMs: 1_000 };
    calibration.noteHeard(0, -70, 1_000);
    calibration.noteLink(1, 0, link);
    expect(calibration.listening(0, 2_000)).toBe(1);
    expect(calibration.listening(0, 60_000)).toBe(0);
    calibration.noteHeard(0, -80, 60_000);
    expect(calibration.listening(0, 61_000)).toBe(1);
  });

  it("without neighbours, one that misses tags that pass by is dead; one that nobody passes is not", () => {
    const calibration = prepared();
    calibration.noteHeard(0, -70, 1_000);
    calibration.noteHeard(1, -70, 1_000);
    calibration.missed(0, config.deadAfterMissedS + 1);
    expect(calibration.listening(0, 60_000)).toBe(0);
    expect(calibration.listening(1, 60_000)).toBe(1);
    expect(calibration.listening(2, 60_000)).toBe(0.5);
  });

  it("what a gateway hears at its weakest is learned", () => {
    const calibration = prepared();
    for (let i = 0; i < 50; i++) calibration.noteHeard(0, -99, i * 1_000);
    expect(calibration.sensitivityDbm[0]).toBeLessThan(-98);
    expect(calibration.sensitivityDbm[1]).toBe(config.priorSensitivityDbm);
  });

  it("a transmitter of a gateway that the map does not have is nobody", () => {
    const index = indexVenue(twoRooms());
    expect([senderOf("ann", index), senderOf("gateway:left-corner", index), senderOf("gateway:stranger", index)]).toEqual([null, 1, -1]);
  });
});
