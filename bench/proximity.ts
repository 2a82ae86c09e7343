import { newPipeline, type Pipeline } from "@konferenco/fusion";
import { venueMapSchema, type VenueMap } from "@konferenco/protocol";
import { newRandom } from "@konferenco/simulators";
import { median, row, type BenchRow } from "./harness.ts";

const SECONDS = 7;
/** In these nobody's offset is looked at (tag-offset.ts), and the code is compiled and pairs are begun. */
const TIMED_SECONDS: readonly number[] = [4, 6, 7];
const CROWD = 10_000;
const FEW = 1_000;

/**
 * Who is near whom in a crush: 10,000 people in one hall of 50 x 50 m, four to the square metre. All
 * couples would be 50 million. Measured through the pipeline, as it runs: the tick that looks at
 * proximity less the tick that does not, beside a tenth of the people at the same density.
 */
export async function run(): Promise<BenchRow[]> {
  const crowd = measure(CROWD, 50);
  const few = measure(FEW, 50 / Math.sqrt(10));
  return [
    row("proximity", `couples looked at in a second, ${CROWD.toLocaleString("en")} in one zone, beside all couples`, "couples", crowd.couples, (CROWD * (CROWD - 1)) / 2),
    row("proximity", `couples a person, beside ${FEW.toLocaleString("en")} as dense`, "couples", crowd.couples / CROWD, few.couples / FEW),
    row("proximity", `cost a person and second, beside ${FEW.toLocaleString("en")} as dense`, "us", (crowd.ms * 1_000) / CROWD, (few.ms * 1_000) / FEW),
    row("proximity", "a tick that looks at proximity, beside one that does not", "ms", crowd.ms + crowd.withoutMs, crowd.withoutMs),
  ];
}

function measure(people: number, sideM: number): { couples: number; ms: number; withoutMs: number } {
  const venue = hall(sideM);
  const pipeline = newPipeline(venue);
  const dice = newRandom(`crush/${people}`);
  const places = Array.from({ length: people }, () => [dice.between(0, sideM), dice.between(0, sideM)] as const);
  const ids = places.map((_, i) => `tag-${String(i).padStart(5, "0")}`);
  const costs: number[] = [];
  const plain: number[] = [];
  const looked: number[] = [];
  for (let second = 1; second <= SECONDS; second++) {
    hear(pipeline, venue, ids, places, second * 1_000 - 600, () => dice.gaussian());
    // On the half second positions alone; on the second proximity too.
    const withoutMs = tickMs(pipeline, second * 1_000 - 500);
    const before = pipeline.counts().pairsLooked;
    const withMs = tickMs(pipeline, second * 1_000);
    if (!TIMED_SECONDS.includes(second)) continue;
    costs.push(Math.max(0, withMs - withoutMs));
    plain.push(withoutMs);
    looked.push(pipeline.counts().pairsLooked - before);
  }
  return { couples: median(looked), ms: median(costs), withoutMs: median(plain) };
}

/** Processor time, not the clock's: these machines are shared. */
function tickMs(pipeline: Pipeline, nowMs: number): number {
  const begin = process.cpuUsage();
  pipeline.tick(nowMs);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1_000;
}

function hear(pipeline: Pipeline, venue: VenueMap, ids: readonly string[], places: readonly (readonly [number, number])[], atMs: number, gaussian: () => number): void {
  places.forEach(([xM, yM], i) => {
    const tagId = ids[i] as string;
    const nearest = venue.gateways
      .map(({ gatewayId, ...at }) => ({ gatewayId, rangeM: Math.max(0.5, Math.hypot(at.xM - xM, at.yM - yM)) }))
      .sort((a, b) => a.rangeM - b.rangeM)
      .slice(0, 6);
    for (const { gatewayId, rangeM } of nearest) pipeline.step({ tagId, gatewayId, rssiDbm: -59 - 25 * Math.log10(rangeM) + 3 * gaussian(), heardAtMs: atMs }, atMs);
  });
}

/** Gateways on a grid of 10 m. */
function hall(sideM: number): VenueMap {
  const length = Math.max(2, Math.ceil(sideM / 10));
  const spots = Array.from({ length }, (_, i) => ((i + 0.5) * sideM) / length);
  return venueMapSchema.parse({
    venueId: "hall",
    floors: [{ floor: 0, name: "hall" }],
    zones: [{ zoneId: "hall", name: "Hall", kind: "hall", floor: 0, polygons: [[[0, 0], [sideM, 0], [sideM, sideM], [0, sideM]]] }],
    gateways: spots.flatMap((xM, i) => spots.map((yM, j) => ({ gatewayId: `gw-${i}-${j}`, xM, yM, zM: 3, floor: 0, zoneId: "hall" }))),
  });
}
