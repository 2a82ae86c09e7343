import { parseBeaconReport } from "@konferenco/protocol";
import { newCrowd, newRadio, newWorld, demoVenue } from "@konferenco/simulators";
import { acceptReport, newAcceptor, newPipeline } from "@konferenco/fusion";
import { compare, row, TIMES, type BenchRow } from "./harness.ts";

/**
 * From a report's bytes to smoothed RSSI, per observation, beside `JSON.parse` of the same bytes: parsing is
 * what anybody must pay. Promise: 1,000 events/s (requirement F3) are under 1 % of a core.
 */
export async function run(): Promise<BenchRow[]> {
  const venue = demoVenue();
  const world = newWorld({ venue, crowd: newCrowd(venue, "bench", { tags: 48 }), radio: newRadio(venue, "bench") });
  const sightings = world.advance(20_000);
  const byGateway = new Map<string, typeof sightings>();
  for (const sighting of sightings) byGateway.set(sighting.gatewayId, [...(byGateway.get(sighting.gatewayId) ?? []), sighting]);
  const reports = [...byGateway].map(([gatewayId, heard], index) =>
    new TextEncoder().encode(
      JSON.stringify({ v: 1, gatewayId, bootId: "bench", seq: index, sentAtMs: 20_000, tagId: heard.map((s) => s.tagId), rssiDbm: heard.map((s) => s.rssiDbm), heardAtMs: heard.map((s) => s.atMs) }),
    ),
  );
  const decoder = new TextDecoder();
  // Reading a venue map happens once, at the start; it is not what an observation costs.
  const fresh = Array.from({ length: TIMES }, () => ({ pipeline: newPipeline(venue), acceptor: newAcceptor() }));
  const { figureNs, baselineNs } = compare(
    sightings.length,
    () => {
      const { pipeline, acceptor } = fresh.pop() as (typeof fresh)[number];
      let accepted = 0;
      for (const bytes of reports) {
        const parsed = parseBeaconReport(bytes);
        if (!parsed.ok) throw new Error(parsed.detail);
        const outcome = acceptReport(acceptor, parsed.value.report, { receivedAtMs: 20_000, nowMs: 20_000 }, pipeline.config);
        if (!outcome.ok) throw new Error(outcome.code);
        for (const observation of outcome.value.observations) pipeline.step(observation, 20_000);
        accepted += outcome.value.observations.length;
      }
      return accepted;
    },
    () => reports.reduce((sum, bytes) => sum + (JSON.parse(decoder.decode(bytes)) as { tagId: string[] }).tagId.length, 0),
  );
  return [row("ingest", "bytes to smoothed RSSI, per observation", "ns", figureNs, baselineNs)];
}
