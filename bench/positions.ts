import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG, indexVenue, newCalibration, newGridFilter, newPipeline, newTagOffset, newVenueGrid, type Belief, type FusionConfig, type Hearing } from "@konferenco/fusion";
import { newRandom } from "@konferenco/simulators";
import { row, type BenchRow } from "./harness.ts";

/**
 * What a position costs. Promised: at 20 gateways an update of a tag with up to 100 active cells in 10 us,
 * one over the full half-metre grid of an office in 150 us, and no dearer per tag at 100,000 tags than at 1,000.
 * The baseline beside it is what no filter can do without: one logarithm per gateway and active cell.
 */
/** 18 x 14 m of rooms with 20 gateways: 1,008 cells of half a metre. */
function office(): VenueMap {
  const zones = Array.from({ length: 12 }, (_, i) => {
    const [x0M, y0M] = [(i % 4) * 4.5, Math.floor(i / 4) * (14 / 3)];
    return { zoneId: `room-${i}`, name: `room ${i}`, kind: "room", floor: 0, polygons: [[[x0M, y0M], [x0M + 4.5, y0M], [x0M + 4.5, y0M + 14 / 3], [x0M, y0M + 14 / 3]]] };
  });
  const gateways = Array.from({ length: 20 }, (_, i) => ({ gatewayId: `gw-${i}`, xM: 1 + (i % 5) * 4, yM: 1.5 + Math.floor(i / 5) * 3.6, zM: 2, floor: 0, zoneId: `room-${Math.min(3, Math.floor((1 + (i % 5) * 4) / 4.5)) + 4 * Math.min(2, Math.floor((1.5 + Math.floor(i / 5) * 3.6) / (14 / 3)))}` }));
  return venueMapSchema.parse({ venueId: "bench", floors: [{ floor: 0, name: "ground" }], zones, gateways });
}

function prepared(config: FusionConfig) {
  const map = office();
  const index = indexVenue(map);
  const grid = newVenueGrid(map, index);
  if (grid === null) throw new Error("the office has a plan");
  const calibration = newCalibration(map, index, grid, [], config);
  const filter = newGridFilter(grid, calibration.levels, calibration.sensitivityDbm, index.places.length, config);
  const dice = newRandom("bench/positions");
  // A tag in the middle: all twenty are asked, a dozen hear it.
  const hearings = (weight: number): Hearing[] =>
    index.gateways.map(({ xM, yM }, gateway) => {
      const rssiDbm = -62 - 25 * Math.log10(Math.max(1, Math.hypot(xM - 9.2, yM - 6.1))) + 2 * dice.gaussian();
      return { gateway, rssiDbm: rssiDbm < -92 ? NaN : rssiDbm, weight };
    });
  return { grid, filter, hearings };
}

/** Processor time of one call in microseconds, the lower quartile over batches: what others do to the machine falls out. */
function timed(call: () => void, calls: number): number {
  const batches: number[] = [];
  for (let batch = -2; batch < 15; batch++) {
    const began = process.cpuUsage();
    for (let i = 0; i < calls; i++) call();
    const { user, system } = process.cpuUsage(began);
    if (batch >= 0) batches.push((user + system) / calls);
  }
  return batches.sort((a, b) => a - b)[3] as number;
}

function updateCost(config: FusionConfig, lookWeight: number): { cells: number; us: number; logUs: number } {
  const { filter, hearings } = prepared(config);
  const belief: Belief = filter.begin(hearings(lookWeight), newTagOffset(0, 3, 0), 0);
  const looks = Array.from({ length: 16 }, () => hearings(lookWeight));
  let nowMs = 0;
  let cells = 0;
  let updates = 0;
  const us = timed(() => {
    nowMs += 500;
    filter.advance(belief, looks[(nowMs / 500) % looks.length] as Hearing[], nowMs);
    filter.estimate(belief);
    cells += belief.count;
    updates++;
  }, 1_000);
  const count = Math.round(cells / updates);
  let sink = 0;
  const logUs = timed(() => {
    for (let i = 0; i < count * 20; i++) sink += Math.log(1 + i + (sink & 1));
  }, 200);
  return { cells: count, us, logUs };
}

/** A whole tick of the pipeline, per tag, after everybody has been heard for some seconds. */
function tickCost(tags: number): number {
  const map = office();
  const pipeline = newPipeline(map);
  const dice = newRandom(`bench/positions/${tags}`);
  const places = Array.from({ length: tags }, () => [dice.between(0.5, 17.5), dice.between(0.5, 13.5)] as const);
  let usPerTag = Infinity;
  for (let tick = 1; tick <= 14; tick++) {
    const nowMs = tick * 500;
    places.forEach(([xM, yM], tag) => {
      for (const gateway of map.gateways) {
        const rangeM = Math.hypot(gateway.xM - xM, gateway.yM - yM);
        if (rangeM < 7) pipeline.step({ tagId: `tag-${tag}`, gatewayId: gateway.gatewayId, rssiDbm: -62 - 25 * Math.log10(Math.max(1, rangeM)) + 3 * dice.gaussian(), heardAtMs: nowMs - 200 }, nowMs);
      }
    });
    const began = process.cpuUsage();
    pipeline.tick(nowMs);
    const { user, system } = process.cpuUsage(began);
    if (tick > 8) usPerTag = Math.min(usPerTag, (user + system) / tags);
  }
  return usPerTag;
}

export async function run(): Promise<BenchRow[]> {
  const small = updateCost({ ...DEFAULT_FUSION_CONFIG, maxActiveCells: 100 }, 0.34);
  // Looks that say next to nothing leave every cell in play: the dearest case.
  const full = updateCost({ ...DEFAULT_FUSION_CONFIG, leastCellShare: 0 }, 0.001);
  const thousand = tickCost(1_000);
  const many = tickCost(10_000);
  return [
    row("positions", `update, ${small.cells} active cells, 20 gateways`, "us", small.us, small.logUs),
    row("positions", `update, full office grid of ${full.cells} cells, 20 gateways`, "us", full.us, full.logUs),
    row("positions", "tick per tag, 10,000 tags against 1,000", "us", many, thousand),
  ];
}
