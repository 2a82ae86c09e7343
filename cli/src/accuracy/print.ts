import type { AccuracyResult } from "./run-accuracy.ts";
import type { PairFigures } from "./pairs.ts";
import { REFERENCE_METHODS, type ReferenceMethod } from "./references.ts";
import type { Delays, Figures } from "./score.ts";

/** The result as a page of text for a terminal: ours beside the plain methods on the same observations. */
export function formatResult(result: AccuracyResult): string {
  const { funnel } = result;
  const refused = Object.entries(funnel.refused).map(([code, count]) => `${code} ${count}`);
  const head = [
    `${result.recording}: ${result.recordedS.toFixed(0)} s of radio, ${count(funnel.reports)} reports, ${count(funnel.observations)} observations, ${result.tags} ${result.tags === 1 ? "tag" : "tags"}, in ${result.tookS.toFixed(1)} s`,
    `through ${result.through === "mqtt" ? "MQTT, bridge and WebSocket client" : "the service in virtual time"}, store ${result.store}, survey ${result.survey}`,
    ...(refused.length > 0 ? [`refused: ${refused.join(", ")}`] : []),
    ...result.leftOut,
  ];
  const body = result.figures === null || result.references === null ? outputLines(result) : figureTable(result.figures, result.references);
  return [...head, "", ...body, ...contactLines(result), ...pairLines(result.proximity), ...sameLines(result), ""].join("\n");
}

function outputLines({ output }: AccuracyResult): string[] {
  return [
    "no truth.csv, so nothing can be scored; what came out:",
    `  positions ${output.lines}, zone changes ${output.zoneChanges}, mean accuracy95M ${metres(output.meanAccuracy95M)}, mean confidence ${number(output.meanConfidence)}`,
  ];
}

function figureTable(ours: Figures, references: NonNullable<AccuracyResult["references"]>): string[] {
  const methods = (Object.keys(REFERENCE_METHODS) as ReferenceMethod[]).flatMap((method) => (references[method] === null ? [] : [{ title: REFERENCE_METHODS[method].title, figures: references[method] }]));
  const columns = [ours, ...methods.map(({ figures }) => figures)];
  const row = (name: string, pick: (figures: Figures) => string, oursOnly = false) => [name, ...columns.map((figures, i) => (oursOnly && i > 0 ? "" : pick(figures)))];
  const rows = [
    ["", "konferenco", ...methods.map(({ title }) => title)],
    row("position error, mean", ({ errorM }) => metres(errorM?.mean)),
    row("  median", ({ errorM }) => metres(errorM?.median)),
    row("  p75", ({ errorM }) => metres(errorM?.p75)),
    row("  p90", ({ errorM }) => metres(errorM?.p90)),
    row("  p95", ({ errorM }) => metres(errorM?.p95)),
    row("instants with a fix", ({ fixShare }) => percent(fixShare)),
    row("right zone, all instants", ({ zoneAccuracy }) => percent(zoneAccuracy)),
    row("  truly in a room", ({ zoneAccuracyInRooms }) => percent(zoneAccuracyInRooms)),
    row("zone changes / true", ({ zoneChangesReported, zoneChangesTrue }) => `${zoneChangesReported} / ${zoneChangesTrue}`),
    row("enter delay, median / p95", ({ enterDelayS }) => delayCell(enterDelayS)),
    row("exit delay, median / p95", ({ exitDelayS }) => delayCell(exitDelayS)),
    row("truth inside accuracy95M", ({ insideAccuracy95 }) => percent(insideAccuracy95), true),
    row("  mean accuracy95M", ({ meanAccuracy95M }) => metres(meanAccuracy95M), true),
    row("mean confidence", ({ meanConfidence }) => percent(meanConfidence), true),
    ...ours.reliability.map((bin) => [`  stated ${bin.fromConfidence}-${bin.toConfidence}`, `${percent(bin.zoneAccuracy)} right of ${bin.instants}`, ...methods.map(() => "")]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => (cells[column] as string).length))) ?? [];
  return rows.map((cells) => cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join("  ").trimEnd());
}

function contactLines({ contacts }: AccuracyResult): string[] {
  if (contacts === null) return [];
  return ["", `near one another: precision ${percent(contacts.precision)}, recall ${percent(contacts.recall)}, F1 ${percent(contacts.f1)}`];
}

function pairLines(pairs: PairFigures | null): string[] {
  if (pairs === null) return [];
  const { falseAlerts, alerts, centroidFalseAlerts, centroidAlerts } = pairs;
  return [
    "",
    `within 2 m, of ${count(pairs.pairSeconds)} pair seconds ${percent(pairs.nearShare)} truly so; beside it the distance of the 5 s centroids`,
    `  AUC ${number(pairs.auc, 3)} (centroids ${number(pairs.centroidAuc, 3)}); where it held for 5 s ${number(pairs.aucSteady, 3)} (${number(pairs.centroidAucSteady, 3)})`,
    `  near as told: precision ${percent(pairs.precision)}, recall ${percent(pairs.recall)}, F1 ${percent(pairs.f1)} (centroids within 2 m ${percent(pairs.centroidF1)})`,
    `  false alerts ${falseAlerts} of ${alerts} (centroids ${centroidFalseAlerts} of ${centroidAlerts})`,
  ];
}

function sameLines({ sameAsVirtualTime }: AccuracyResult): string[] {
  if (sameAsVirtualTime === null) return [];
  return ["", sameAsVirtualTime.same ? "the client received exactly the positions of virtual time" : `DIFFERS from virtual time: ${sameAsVirtualTime.firstDifference}`];
}

function delayCell({ median, p95, noticed, missed }: Delays): string {
  const times = median === null || p95 === null ? "-" : `${median.toFixed(1)} / ${p95.toFixed(1)} s`;
  return `${times} (${noticed} of ${noticed + missed})`;
}

export function metres(value: number | null | undefined): string {
  return value === null || value === undefined ? "-" : `${value.toFixed(2)} m`;
}

export function percent(value: number | null): string {
  return value === null ? "-" : `${(100 * value).toFixed(1)} %`;
}

function number(value: number | null, digits = 2): string {
  return value === null ? "-" : value.toFixed(digits);
}

function count(value: number): string {
  return value.toLocaleString("en");
}
