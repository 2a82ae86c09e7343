import fs from "node:fs";
import path from "node:path";
import { Option, type Command } from "commander";
import { ConfigError } from "@konferenco/protocol";
import { loadRecording } from "@konferenco/simulators";
import { logLine } from "../log.ts";
import { parsePositive } from "../options.ts";
import { baselineOf, compareWithBaseline, formatMoved, isWorse, type Baseline } from "./baseline.ts";
import { allRecordings, baselineRecordings, type Found } from "./find-recordings.ts";
import { writePairs } from "./pairs.ts";
import { plotAll, plotRecording } from "./plots/plots.ts";
import { formatResult } from "./print.ts";
import { formatAll, pool, runAll, type Pooled } from "./run-all.ts";
import { runAccuracy, type AccuracyOptions, type AccuracyResult } from "./run-accuracy.ts";
import { simulatedBuildings } from "./simulated-buildings.ts";
import { writeTrace } from "./trace.ts";

export interface AccuracyCommandOptions {
  recording?: string;
  recordings?: string;
  /** Seeds; true when named without. */
  simulated?: string | true;
  survey: boolean;
  json?: string;
  trace?: string;
  pairs?: string;
  plots?: string;
  checkBaseline?: string;
  writeBaseline?: string;
  store: string;
  through?: "mqtt";
  speed?: number;
}

export function registerAccuracyCommand(program: Command): void {
  program
    .command("accuracy")
    .description("play recordings through the system and score them against their truth, beside other methods (docs/accuracy.md)")
    .option("--recording <folder>", "one recording only (docs/recordings.md); without it all that are found")
    .option("--recordings <folder>", "all recordings below this folder, instead of the project's own")
    .option("--simulated [seeds]", "buildings made on the fly by these seeds, 51-60, instead of recordings: the table has their pools only")
    .option("--no-survey", "ignore a survey beside the recording")
    .option("--json <file>", "write the figures as JSON")
    .option("--trace <file>", "write one JSON line per output, for independent scoring; needs --recording")
    .option("--pairs <file>", "write one JSON line per pair of tags and second; needs --recording")
    .option("--plots <folder>", "write plots as SVG")
    .option("--check-baseline <file>", "compare with figures that were written before; worse by more than 5 % fails")
    .option("--write-baseline <file>", "write the figures that --check-baseline compares with")
    .addOption(new Option("--store <url>", "memory, embedded or redis://host:port").default("memory"))
    .addOption(new Option("--through <road>", "over a real broker, bridge and WebSocket client").choices(["mqtt"]))
    .addOption(new Option("--speed <factor>", "seconds of the recording per second, with --through").argParser(parsePositive))
    .action(accuracyCommand);
}

export async function accuracyCommand(options: AccuracyCommandOptions): Promise<void> {
  refuseNonsense(options);
  for (const file of [options.trace, options.pairs, options.json, options.writeBaseline]) if (file !== undefined) makeRoomFor(file);
  const progress = newProgressLine();
  const how: Omit<AccuracyOptions, "recording"> = {
    store: options.store,
    survey: options.survey,
    through: options.through ?? "virtual",
    speed: options.speed ?? 1,
    log: logQuietly,
    onProgress: (at) => progress.show(at),
  };
  if (options.checkBaseline !== undefined || options.writeBaseline !== undefined) return overBaseline(options, how);
  if (options.recording === undefined) return overAll(options, how, progress);

  const result = await runAccuracy({ ...how, recording: options.recording });
  progress.clear();
  if (options.trace !== undefined) writeTrace(options.trace, result.trace);
  if (options.pairs !== undefined) writePairs(options.pairs, result.pairs);
  if (options.json !== undefined) writeJson(options.json, figuresOnly(result));
  if (options.plots !== undefined) plotRecording(options.plots, result, loadRecording(options.recording));
  process.stdout.write(`${formatResult(result)}\n`);
  if (result.sameAsVirtualTime?.same === false) process.exitCode = 1;
}

function refuseNonsense(options: AccuracyCommandOptions): void {
  if (options.speed !== undefined && options.through === undefined) {
    throw new ConfigError("--speed needs --through mqtt: in virtual time a recording is played as fast as it goes");
  }
  if ([options.recording, options.recordings, options.simulated].filter((one) => one !== undefined).length > 1) throw new ConfigError("--recording plays one, --recordings all below a folder and --simulated made ones: name one of the three");
  const isOfBaseline = options.checkBaseline !== undefined || options.writeBaseline !== undefined;
  if (isOfBaseline && (options.recording ?? options.recordings ?? options.simulated) !== undefined) throw new ConfigError("a baseline is of the project's own recordings: leave --recording, --recordings and --simulated out");
  if (options.recording !== undefined) return;
  for (const [name, value] of [["--trace", options.trace], ["--pairs", options.pairs], ["--through", options.through]] as const) {
    if (value !== undefined) throw new ConfigError(`${name} is of one recording: add --recording <folder>`);
  }
}

/** Before anything is played: minutes of work must not end in a folder that is not there. */
function makeRoomFor(file: string): void {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.closeSync(fs.openSync(file, "a"));
  } catch (error) {
    throw new ConfigError(`${file} cannot be written: ${(error as Error).message}`);
  }
}

/** A building of each kind: half a minute. */
const SIMULATED_SEEDS = "1";

async function overAll(options: AccuracyCommandOptions, how: Omit<AccuracyOptions, "recording">, progress: ProgressLine): Promise<void> {
  const { simulated } = options;
  const { found, note } = simulated === undefined ? allRecordings(options.recordings) : { found: simulatedBuildings(simulated === true ? SIMULATED_SEEDS : simulated), note: null };
  if (found.length === 0) throw new ConfigError(`${options.recordings ?? "."} holds no recording: a folder with venue.json and observations.csv (docs/recordings.md)`);
  if (note !== null) process.stderr.write(`${note}\n`);
  const { results, broken } = await runAll(found, how, (result) => tellOf(result, found));
  progress.clear();
  const pools = pool(results);
  process.stdout.write(`${formatAll(simulated === undefined ? results : [], pools, broken)}\n`);
  if (broken.length > 0) process.exitCode = 1;
  if (options.json !== undefined) writeJson(options.json, { recordings: results.map(figuresOnly), pooled: pools satisfies Pooled[], broken });
  if (options.plots === undefined) return;
  for (const result of results) {
    const { load } = found.find(({ name }) => name === result.recording) as Found;
    plotRecording(path.join(options.plots, result.recording), result, typeof load === "string" ? loadRecording(load) : load());
  }
  plotAll(options.plots, results);
}

async function overBaseline(options: AccuracyCommandOptions, how: Omit<AccuracyOptions, "recording">): Promise<void> {
  const found = baselineRecordings();
  const { results, broken } = await runAll(found, how, (result) => tellOf(result, found));
  if (broken.length > 0) throw new ConfigError(broken.map(({ recording, why }) => `${recording}: not played: ${why}`).join("\n"));
  if (options.json !== undefined) writeJson(options.json, { recordings: results.map(figuresOnly), pooled: pool(results) satisfies Pooled[], broken });
  if (options.writeBaseline !== undefined) writeJson(options.writeBaseline, baselineOf(results));
  if (options.checkBaseline === undefined) return;
  let baseline: Baseline;
  try {
    baseline = JSON.parse(fs.readFileSync(options.checkBaseline, "utf8")) as Baseline;
  } catch (error) {
    throw new ConfigError(`the baseline ${options.checkBaseline} cannot be read: ${(error as Error).message}. Write one with --write-baseline`);
  }
  const moved = compareWithBaseline(baseline, results);
  process.stdout.write(`${formatMoved(moved)}\n`);
  if (isWorse(moved)) process.exitCode = 1;
}

function tellOf(result: AccuracyResult, found: readonly Found[]): void {
  if (process.stderr.isTTY) process.stderr.write(`${result.recording}: ${result.tookS.toFixed(1)} s, one of ${found.length}\n`);
}

function writeJson(file: string, value: unknown): void {
  fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** The result without what has files of its own, and without what figures are made of. */
function figuresOnly({ trace: _trace, pairs: _pairs, measured: _measured, ...figures }: AccuracyResult): Omit<AccuracyResult, "trace" | "pairs" | "measured"> {
  return figures;
}

/** Of the parts that a run opens and closes, only trouble is news. */
function logQuietly(event: object): void {
  const name = "event" in event ? String(event.event) : "";
  if (/away|lost|fail|not-stored|refus|error/.test(name)) logLine(event);
}

interface ProgressLine {
  show(progress: { replayedMs: number; ofMs: number; received: number }): void;
  clear(): void;
}

/** One line that is written over on a terminal, one JSON line per second elsewhere. */
function newProgressLine(): ProgressLine {
  let toldAtMs = 0;
  const { stderr } = process;
  return {
    show({ replayedMs, ofMs, received }) {
      if (stderr.isTTY) {
        stderr.write(`\r${(replayedMs / 1_000).toFixed(0)} of ${(ofMs / 1_000).toFixed(0)} s, ${received} positions received `);
      } else if (Date.now() - toldAtMs >= 1_000) {
        toldAtMs = Date.now();
        stderr.write(`${JSON.stringify({ replayedS: Math.round(replayedMs / 1_000), ofS: Math.round(ofMs / 1_000), received })}\n`);
      }
    },
    clear() {
      if (stderr.isTTY) stderr.write("\r\u001b[K");
    },
  };
}
