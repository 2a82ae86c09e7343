import { ConfigError } from "@konferenco/protocol";
import type { Found } from "./find-recordings.ts";
import { metres, percent } from "./print.ts";
import { REFERENCE_METHODS, type ReferenceMethod } from "./references.ts";
import { referencesOf, runAccuracy, type AccuracyOptions, type AccuracyResult, type MeasuredMethods, type References } from "./run-accuracy.ts";
import { figuresOf, type Figures, type Measured } from "./score.ts";

/** Recordings of one kind taken together: every instant counts once. */
export interface Pooled {
  name: string;
  recordings: number;
  figures: Figures;
  references: References;
}

/** A recording that could not be played: a file that is not as it should be, or a bug. */
export interface Broken {
  recording: string;
  why: string;
}

/** One after the other. What cannot be played costs only itself. */
export async function runAll(found: readonly Found[], options: Omit<AccuracyOptions, "recording">, onResult: (result: AccuracyResult) => void): Promise<{ results: AccuracyResult[]; broken: Broken[] }> {
  const results: AccuracyResult[] = [];
  const broken: Broken[] = [];
  for (const { load, name } of found) {
    try {
      const result = { ...(await runAccuracy({ ...options, recording: typeof load === "string" ? load : load() })), recording: name };
      results.push(result);
      onResult(result);
    } catch (error) {
      broken.push({ recording: name, why: error instanceof ConfigError ? error.message : ((error as Error).stack ?? String(error)) });
    }
  }
  return { results, broken };
}

/** One pool a venue, real recordings together, and simulated ones by themselves: they are not the same kind of evidence. */
export function pool(results: readonly AccuracyResult[]): Pooled[] {
  const scored = results.flatMap(({ recording, measured }) => (measured === null ? [] : [{ recording, measured }]));
  const pooled = (name: string, of: typeof scored): Pooled[] => {
    if (of.length === 0) return [];
    const methods: MeasuredMethods[] = of.map(({ measured }) => measured);
    return [{ name, recordings: of.length, figures: figuresOf(methods.map(({ ours }) => ours as Measured)), references: referencesOf(methods) }];
  };
  const groups = [...new Set(scored.map(({ recording }) => groupOf(recording)))];
  const real = scored.filter(({ recording }) => !groupOf(recording).startsWith("simulated"));
  return [
    ...groups.flatMap((group) => pooled(`all of ${group}`, scored.filter(({ recording }) => groupOf(recording) === group))),
    ...(new Set(real.map(({ recording }) => groupOf(recording))).size > 1 ? pooled("all real recordings", real) : []),
  ];
}

function groupOf(recording: string): string {
  return recording.split(/[/\\]/)[0] ?? recording;
}

/** The table of a run over all: one block a recording would be too long, so one line a method. */
export function formatAll(results: readonly AccuracyResult[], pools: readonly Pooled[], broken: readonly Broken[]): string {
  const rows = [["", "method", "mean", "p95", "fixes", "zone", "in a room", "changes/true", "enter delay", "inside 95"]];
  for (const { recording, figures, references } of results) rows.push(...block(recording, figures, references));
  for (const { name, figures, references } of pools) rows.push(...block(name, figures, references));
  const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const lines = rows.map((row) => row.map((text, column) => (column < 2 ? text.padEnd(widths[column] as number) : text.padStart(widths[column] as number))).join("  ").trimEnd());
  const proximity = results.flatMap(({ recording, proximity: pairs }) =>
    pairs === null
      ? []
      : [
          `${recording}: within 2 m, AUC ${auc(pairs.auc)} (centroids ${auc(pairs.centroidAuc)}), held for 5 s ${auc(pairs.aucSteady)} (${auc(pairs.centroidAucSteady)}), F1 ${percent(pairs.f1)} (${percent(pairs.centroidF1)}), false alerts ${pairs.falseAlerts} of ${pairs.alerts} (${pairs.centroidFalseAlerts} of ${pairs.centroidAlerts})`,
        ],
  );
  const notPlayed = [...results.flatMap(({ recording, leftOut }) => leftOut.map((text) => `${recording}: ${text}`)), ...broken.map(({ recording, why }) => `${recording}: not played: ${why}`)];
  return [...lines, ...(proximity.length > 0 ? ["", ...proximity] : []), ...(notPlayed.length > 0 ? ["", ...notPlayed] : []), ""].join("\n");
}

function block(name: string, figures: Figures | null, references: References | null): string[][] {
  if (figures === null || references === null) return [[name, "no truth", "", "", "", "", "", "", "", ""]];
  const methods = (Object.keys(REFERENCE_METHODS) as ReferenceMethod[]).flatMap((method) => (references[method] === null ? [] : [line("", REFERENCE_METHODS[method].title, references[method], false)]));
  return [line(name, "konferenco", figures, true), ...methods];
}

function line(name: string, method: string, figures: Figures, ours: boolean): string[] {
  const { errorM, enterDelayS } = figures;
  return [
    name,
    method,
    metres(errorM?.mean),
    metres(errorM?.p95),
    percent(figures.fixShare),
    percent(figures.zoneAccuracy),
    percent(figures.zoneAccuracyInRooms),
    `${figures.zoneChangesReported}/${figures.zoneChangesTrue}`,
    enterDelayS.median === null ? "-" : `${enterDelayS.median.toFixed(1)} s`,
    ours ? percent(figures.insideAccuracy95) : "",
  ];
}

function auc(value: number | null): string {
  return value === null ? "-" : value.toFixed(3);
}
