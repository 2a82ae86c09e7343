import { Option, type Command } from "commander";
import { ConfigError } from "@konferenco/protocol";
import { loadRecording, loadSurvey, openReplay, spanOf } from "@konferenco/simulators";
import { addEventOptions, parseDurationMs, parsePositive, type EventOptions } from "../options.ts";
import { newProgress, onInterrupt, withBrokerFaults } from "../simulate/progress.ts";
import { applicationPassword, requireSite } from "../site.ts";

interface ReplayCommandOptions extends EventOptions {
  broker: string;
  recording: string;
  speed: number;
  login?: string;
  password?: string;
  anonymous?: true;
  connectWithin: number;
  ownTimes?: true;
}

export function registerReplayCommand(program: Command): void {
  addEventOptions(program.command("replay"), { broker: true })
    .description("publish a recording over MQTT, in its own time or faster")
    .requiredOption("--recording <folder>", "the folder of one recording (docs/recordings.md)")
    .addOption(new Option("--speed <factor>", "seconds of the recording per second; above 1 for consumers on report time").default(1).argParser(parsePositive))
    .addOption(new Option("--own-times", "send the recording's own times instead of now's"))
    .addOption(new Option("--login <name>", "an application's login with the right publish-reports").env("KONFERENCO_LOGIN"))
    .addOption(new Option("--password <password>", "its password").env("KONFERENCO_PASSWORD"))
    .addOption(new Option("--anonymous", "no login, for a broker that lets everybody in"))
    .addOption(new Option("--connect-within <duration>", "how long the broker may take to answer at first").default(10_000, "10s").argParser(parseDurationMs))
    .addHelpText("after", "\nWithout --login or --anonymous the login is \"replay\", its password from site.json in the data folder (--data).")
    .action((options: ReplayCommandOptions) => withBrokerFaults(() => runReplay(options)));
}

async function runReplay(options: ReplayCommandOptions): Promise<void> {
  const recording = loadRecording(options.recording);
  const { beginMs, endMs } = spanOf(recording);
  const lengthS = Math.round((endMs - beginMs) / 1_000);
  for (const text of recording.leftOut ?? []) process.stderr.write(`${text}\n`);
  // A survey goes to fusion, not over the wire.
  if (recording.surveyFile !== null) process.stderr.write(`${surveyHint(recording.surveyFile)}\n`);
  const progress = newProgress();
  const interrupt = onInterrupt();
  try {
    const replay = await openReplay({
      recording,
      brokerUrl: options.broker,
      eventId: options.event,
      login: loginOf(options),
      speed: options.speed,
      ...(options.ownTimes ? { startAtMs: 0 } : {}),
      nowMs: Date.now,
      connectWithinMs: options.connectWithin,
    });
    // `done` may reject at any time; it is awaited below.
    let running = true;
    const finished = replay.done.finally(() => (running = false));
    finished.catch(() => undefined);
    await Promise.race([
      finished,
      interrupt.everySecond(() => {
        const { replayedMs, reports, observations, scans, behindMs, waits } = replay.stats();
        progress.show({ replayedS: Math.round(replayedMs / 1_000), ofS: lengthS, reports, observations, ...(scans === 0 ? {} : { scans }), behindMs: Math.round(behindMs), waits });
        return !running;
      }),
    ]);
    await replay.close();
    progress.end({ recording: recording.name, ...replay.stats() });
  } finally {
    interrupt.forget();
  }
}

function surveyHint(file: string): string {
  if (loadSurvey(file) !== null) return `The recording has a survey: start fusion with --survey ${file} to use it.`;
  return `The recording has a Wi-Fi survey: make its model with "konferenco survey build --survey ${file} --out model.json" and start fusion with --wifi-survey model.json to use it.`;
}

function loginOf(options: ReplayCommandOptions): { name: string; password: string } | null {
  if (options.anonymous) return null;
  if (options.login === undefined) return { name: "replay", password: applicationPassword(requireSite(options.data), "replay") };
  if (options.password === undefined) throw new ConfigError("--login needs --password (or KONFERENCO_PASSWORD)");
  return { name: options.login, password: options.password };
}
