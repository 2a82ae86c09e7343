import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import { newCalibration } from "../fusion/src/core/calibration.ts";
import { DEFAULT_FUSION_CONFIG, type FusionConfig } from "../fusion/src/core/fusion-config.ts";
import { newGridFilter, type Belief, type Hearing } from "../fusion/src/core/grid-filter.ts";
import { newPipeline } from "../fusion/src/core/pipeline.ts";
import { newTagOffset } from "../fusion/src/core/tag-offset.ts";
import { newVenueGrid } from "../fusion/src/core/venue-grid.ts";
import { indexVenue } from "../fusion/src/core/venue-index.ts";
import { newRandom } from "../simulators/src/random.ts";

/**
 * What a position costs. Promised: at 20 gateways an update of a tag with up to 100 active cells in 10 us,
 * one over the full half-metre grid of an office in 150 us, and no dearer per tag at 100,000 tags than at 1,000.
 * The baseline beside it is what no filter can do without: one logarithm per gateway and active cell.
 */
export interface BenchRow {
  bench: string;
  metric: string;
  figure: number;
  unit: string;
  baseline: number;
  ratio: number;
}

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

/** Median over batches of the mean of one call, in microseconds: what others do to the machine falls out. */
function timed(call: () => void, calls: number): number {
  const batches: number[] = [];
  for (let i = 0; i < calls; i++) call();
  for (let batch = 0; batch < 15; batch++) {
    const beganMs = performance.now();
    for (let i = 0; i < calls; i++) call();
    batches.push(((performance.now() - beganMs) * 1_000) / calls);
  }
  return batches.sort((a, b) => a - b)[3] as number;
}

function updateCost(config: FusionConfig, atCells: number): { cells: number; us: number; logUs: number } {
  const { filter, hearings } = prepared(config);
  const first = hearings(1);
  let belief: Belief = filter.begin(first, newTagOffset(0, 3, 0), 0);
  const looks = Array.from({ length: 16 }, () => hearings(0.34));
  let nowMs = 0;
  // Until the belief has the size that it keeps.
  for (let i = 0; i < 40; i++) step();
  const start = { ...belief, cells: belief.cells.slice(), standing: belief.standing.slice(), walking: belief.walking.slice() };
  function step(): void {
    nowMs += 500;
    filter.advance(belief, looks[(nowMs / 500) % looks.length] as Hearing[], nowMs);
    filter.estimate(belief);
  }
  const cells: number[] = [];
  const us = timed(() => {
    step();
    cells.push(belief.count);
  }, atCells > 500 ? 200 : 2_000);
  belief = start;
  const mean = cells.reduce((sum, count) => sum + count, 0) / cells.length;
  const count = Math.round(mean);
  let sink = 0;
  const logUs = timed(() => {
    for (let i = 0; i < count * 20; i++) sink += Math.log(1 + i + (sink & 1));
  }, 500);
  return { cells: mean, us, logUs };
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
    const beganMs = performance.now();
    pipeline.tick(nowMs);
    if (tick > 8) usPerTag = Math.min(usPerTag, ((performance.now() - beganMs) * 1_000) / tags);
  }
  return usPerTag;
}

export async function run(): Promise<BenchRow[]> {
  const row = (metric: string, figure: number, unit: string, baseline: number): BenchRow => ({ bench: "positions", metric, figure: round(figure), unit, baseline: round(baseline), ratio: round(figure / baseline) });
  const small = updateCost({ ...DEFAULT_FUSION_CONFIG, maxActiveCells: 100 }, 100);
  const full = updateCost({ ...DEFAULT_FUSION_CONFIG, leastCellShare: 0 }, 1_000);
  const thousand = tickCost(1_000);
  const many = tickCost(20_000);
  return [
    row(`update, ${small.cells.toFixed(0)} active cells, 20 gateways`, small.us, "us", small.logUs),
    row(`update, full office grid of ${full.cells.toFixed(0)} cells, 20 gateways`, full.us, "us", full.logUs),
    row("tick per tag, 20,000 tags against 1,000", many, "us", thousand),
  ];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
