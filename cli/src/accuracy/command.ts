import fs from "node:fs";
import { Option, type Command } from "commander";
import { ConfigError } from "@konferenco/protocol";
import { logLine } from "../log.ts";
import { parsePositive } from "../options.ts";
import { formatResult } from "./print.ts";
import { runAccuracy, type AccuracyResult } from "./run-accuracy.ts";
import { writeTrace } from "./trace.ts";

export interface AccuracyCommandOptions {
  recording: string;
  survey: boolean;
  json?: string;
  trace?: string;
  store: string;
  through?: "mqtt";
  speed?: number;
}

export function registerAccuracyCommand(program: Command): void {
  program
    .command("accuracy")
    .description("play a recording through the system and score it against its truth")
    .requiredOption("--recording <folder>", "the folder of one recording (docs/recordings.md)")
    .option("--no-survey", "ignore a survey beside the recording")
    .option("--json <file>", "write the figures as JSON")
    .option("--trace <file>", "write one JSON line per output, for independent scoring")
    .addOption(new Option("--store <url>", "memory, embedded or redis://host:port").default("memory"))
    .addOption(new Option("--through <road>", "over a real broker, bridge and WebSocket client").choices(["mqtt"]))
    .addOption(new Option("--speed <factor>", "seconds of the recording per second, with --through").argParser(parsePositive))
    .action(accuracyCommand);
}

export async function accuracyCommand(options: AccuracyCommandOptions): Promise<void> {
  if (options.speed !== undefined && options.through === undefined) {
    throw new ConfigError("--speed needs --through mqtt: in virtual time a recording is played as fast as it goes");
  }
  const progress = newProgressLine();
  const result = await runAccuracy({
    recording: options.recording,
    store: options.store,
    survey: options.survey,
    through: options.through ?? "virtual",
    speed: options.speed ?? 1,
    log: logQuietly,
    onProgress: (at) => progress.show(at),
  });
  progress.clear();
  if (options.trace !== undefined) writeTrace(options.trace, result.trace);
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify(figuresOf(result), null, 2)}\n`);
  process.stdout.write(`${formatResult(result)}\n`);
  if (result.sameAsVirtualTime?.same === false) process.exitCode = 1;
}

/** The result without its trace, which has its own file. */
function figuresOf({ trace: _trace, ...figures }: AccuracyResult): Omit<AccuracyResult, "trace"> {
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
