import { writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG, indexVenue, locateByBeacons, newCalibration, newGridFilter, newPipeline, newTagOffset, newVenueGrid, type FusionConfig, type Hearing } from "@konferenco/fusion";
import { newRandom } from "@konferenco/simulators";
import { median, row, type BenchRow } from "./harness.ts";

/**
 * What a position costs. Promised: at 20 gateways an update of a tag with up to 100 active cells in 10 us,
 * one over the full half-metre grid of an office in 150 us, and no dearer per tag at 100,000 tags than at 1,000.
 * The baseline of an update is the documents' centroid with its zones, of the same twenty levels. Each case runs
 * in a thread of its own, as fusion does: a process has one filter, and the compiler makes use of that.
 */
type Case = { update: "active" | "full" } | { tags: number; crowds: number };

/** 18 x 14 m of rooms with 20 gateways on each storey: 1,008 cells of half a metre; or wider by a factor. */
function office(storeys: number, wider = 1): VenueMap {
  const floors = Array.from({ length: storeys }, (_, floor) => ({ floor, name: `storey ${floor}` }));
  const zones = floors.flatMap(({ floor }) =>
    Array.from({ length: 12 }, (_, i) => {
      const [widthM, depthM] = [4.5 * wider, (14 / 3) * wider];
      const [x0M, y0M] = [(i % 4) * widthM, Math.floor(i / 4) * depthM];
      return { zoneId: `room-${floor}-${i}`, name: `room ${i}`, kind: "room", floor, polygons: [[[x0M, y0M], [x0M + widthM, y0M], [x0M + widthM, y0M + depthM], [x0M, y0M + depthM]]] };
    }),
  );
  const gateways = floors.flatMap(({ floor }) =>
    Array.from({ length: 20 }, (_, i) => {
      const [xM, yM] = [1 + (i % 5) * 4, 1.5 + Math.floor(i / 5) * 3.6];
      return { gatewayId: `gw-${floor}-${i}`, xM: xM * wider, yM: yM * wider, zM: 2, floor, zoneId: `room-${floor}-${Math.min(3, Math.floor(xM / 4.5)) + 4 * Math.min(2, Math.floor(yM / (14 / 3)))}` };
    }),
  );
  return venueMapSchema.parse({ venueId: "bench", floors, zones, gateways });
}

function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

interface UpdateCost {
  cells: number;
  us: number;
  centroidUs: number;
}

/** What the pipeline does between a tag's levels and its position and zones: time passes, evidence, the posterior in numbers. */
function updateCost(kind: "active" | "full"): UpdateCost {
  // Looks that say next to nothing leave every cell in play: the dearest case.
  const overrides = kind === "full" ? { leastCellShare: 0 } : { maxActiveCells: 100 };
  const weight = kind === "full" ? 0.001 : 0.34;
  const config: FusionConfig = { ...DEFAULT_FUSION_CONFIG, ...overrides };
  const map = office(1);
  const index = indexVenue(map);
  const grid = newVenueGrid(map, index);
  if (grid === null) throw new Error("the office has a plan");
  const calibration = newCalibration(map, index, grid, [], config);
  const filter = newGridFilter(grid, calibration.levels, calibration.sensitivityDbm, index, config);
  const dice = newRandom("bench/positions");
  // A tag in the middle: all twenty are asked, nearly all hear it.
  const looks = Array.from({ length: 16 }, () =>
    index.gateways.map(({ xM, yM }, gateway): Hearing => {
      const rssiDbm = -62 - 25 * Math.log10(Math.max(1, Math.hypot(xM - 9.2, yM - 6.1))) + 2 * dice.gaussian();
      return { gateway, rssiDbm: rssiDbm < -92 ? NaN : rssiDbm, weight };
    }),
  );
  const windows = looks.map((hearings) => ({
    tagId: "tag",
    atMs: 0,
    readings: hearings.filter(({ rssiDbm }) => !Number.isNaN(rssiDbm)).map(({ gateway, rssiDbm }) => ({ gateway, rssiDbm, varianceDb2: 15, samples: 3 })),
    samples: 60,
  }));
  const belief = filter.begin(looks[0] as Hearing[], newTagOffset(0, 3, 0), 0);
  const calls = kind === "full" ? 100 : 1_000;
  const [us, centroidUs]: [number[], number[]] = [[], []];
  let nowMs = 0;
  let cells = 0;
  let sink = 0;
  for (let round = -5; round < 25; round++) {
    let beganUs = processorUs();
    for (let i = 0; i < calls; i++) {
      nowMs += config.tickMs;
      filter.advance(belief, looks[i % looks.length] as Hearing[], nowMs);
      sink += filter.estimate(belief).xM;
      if (round >= 0) cells += belief.count;
    }
    const updatesUs = processorUs() - beganUs;
    beganUs = processorUs();
    for (let i = 0; i < calls; i++) sink += locateByBeacons(windows[i % windows.length] as (typeof windows)[number], index, config).xM;
    if (round < 0) continue;
    us.push(updatesUs / calls);
    centroidUs.push((processorUs() - beganUs) / calls);
  }
  if (Number.isNaN(sink)) throw new Error("a position is a number");
  return { cells: Math.round(cells / (25 * calls)), us: median(us), centroidUs: median(centroidUs) };
}

interface TickCost {
  usPerTag: number;
  bytesPerTag: number;
}

const TAGS_PER_STOREY = 1_000;
/** So that a thousand stand two to a square metre. */
const WIDER = Math.SQRT2;
const EARSHOT_M = 10;
/** Of a tag's life these are timed: two that look at pairs and two that do not, and in none are offsets looked at (tag-offset.ts). */
const TIMED_TICKS = [11, 12, 13, 14] as const;
const LAST_TICK = 14;

/**
 * A whole tick of the pipeline, per tag: window, filter, track, zones, position, at every second one the pairs, and the
 * collector, its helpers too. The venue grows with the crowd, 20 gateways for 1,000 people, up to the most that a map may have.
 * A thousand have storeys above and below them too: their gateways are asked as well. Each is heard once a second by those
 * within earshot. Small crowds come and go, one after the other, each with tags of its own: so all are timed at one age, with
 * code as warm, and the small ones oftener; told is the median crowd. At 100,000 tags 2.3 GB and 4 to 5 minutes of a core; how
 * far it is goes to stderr.
 */
function tickCost(tags: number, crowds: number): TickCost {
  const beganMs = performance.now();
  const say = (what: string): void => {
    // Not process.stderr: a thread's passes it on when the thread has nothing to do, which is at the end.
    if (tags > 10_000) writeSync(2, `  ${tags.toLocaleString("en")} tags: ${what} after ${Math.round((performance.now() - beganMs) / 1_000)} s, ${Math.round(process.memoryUsage().rss / 2 ** 20).toLocaleString("en")} MB\n`);
  };
  const [occupied, storeys] = [tags / TAGS_PER_STOREY, Math.max(3, tags / TAGS_PER_STOREY)];
  const map = office(storeys, WIDER);
  const pipeline = newPipeline(map);
  const dice = newRandom(`bench/positions/${tags}`);
  const places = Array.from({ length: tags }, () => [dice.between(0.5, 18 * WIDER - 0.5), dice.between(0.5, 14 * WIDER - 0.5)] as const);
  const lowest = Math.floor((storeys - occupied) / 2);
  const byStorey = Array.from({ length: occupied }, (_, storey) => map.gateways.filter((gateway) => gateway.floor === lowest + storey));
  const hearAll = (crowd: number, nowMs: number): void =>
    places.forEach(([xM, yM], tag) => {
      for (const gateway of byStorey[tag % byStorey.length] as VenueMap["gateways"]) {
        const rangeM = Math.hypot(gateway.xM - xM, gateway.yM - yM);
        if (rangeM < EARSHOT_M) pipeline.step({ tagId: `tag-${crowd}-${tag}`, gatewayId: gateway.gatewayId, rssiDbm: -62 - 25 * Math.log10(Math.max(1, rangeM)) + 3 * dice.gaussian(), heardAtMs: nowMs - 200 }, nowMs);
      }
    });
  say("venue");
  const beforeBytes = bytesInUse();
  const us: number[] = [];
  let bytesPerTag = NaN;
  for (let crowd = 0; crowd < crowds; crowd++) {
    const beganTick = crowd * (LAST_TICK + 2);
    let timedUs = 0;
    for (let tick = 1; tick <= LAST_TICK; tick++) {
      const nowMs = (beganTick + tick) * 500;
      if (tick % 2 === 1) hearAll(crowd, nowMs);
      const beganUs = processorUs();
      pipeline.tick(nowMs);
      if (TIMED_TICKS.some((timed) => timed === tick)) timedUs += processorUs() - beganUs;
      say(`tick ${tick} of ${LAST_TICK}`);
    }
    us.push(timedUs / TIMED_TICKS.length / tags);
    if (crowd === 0) bytesPerTag = (bytesInUse() - beforeBytes) / tags;
    for (const tagId of pipeline.tagIds()) pipeline.drop(tagId);
    pipeline.tick((beganTick + LAST_TICK + 1) * 500);
  }
  return { usPerTag: median(us), bytesPerTag };
}

function bytesInUse(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function inThread<Cost>(bench: Case): Promise<Cost> {
  return new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: bench, resourceLimits: { maxOldGenerationSizeMb: 4_096 } }).once("message", resolve).once("error", reject);
  });
}

if (!isMainThread) {
  const bench = workerData as Case;
  // To a thread, not to a window.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort?.postMessage("update" in bench ? updateCost(bench.update) : tickCost(bench.tags, bench.crowds));
}

export async function run(): Promise<BenchRow[]> {
  const active = await inThread<UpdateCost>({ update: "active" });
  const full = await inThread<UpdateCost>({ update: "full" });
  const thousand = await inThread<TickCost>({ tags: 1_000, crowds: 25 });
  const tenThousand = await inThread<TickCost>({ tags: 10_000, crowds: 5 });
  const hundredThousand = await inThread<TickCost>({ tags: 100_000, crowds: 1 });
  return [
    row("positions", `update, ${active.cells} active cells, 20 gateways, beside a centroid`, "us", active.us, active.centroidUs),
    row("positions", `update, full grid of ${full.cells} cells, beside a centroid`, "us", full.us, full.centroidUs),
    row("positions", "whole tick per tag, 10,000 tags beside 1,000", "us", tenThousand.usPerTag, thousand.usPerTag),
    row("positions", "whole tick per tag, 100,000 tags beside 1,000", "us", hundredThousand.usPerTag, thousand.usPerTag),
    row("positions", "memory per tag, 100,000 tags beside 1,000", "bytes", hundredThousand.bytesPerTag, thousand.bytesPerTag),
  ];
}
