import fs from "node:fs";
import path from "node:path";
import { Option, type Command } from "commander";
import { ConfigError, type VenueMap } from "@konferenco/protocol";
import { Closers, untilStopped } from "../closers.ts";
import { logLine } from "../log.ts";
import { addEventOptions, addListenOptions, parseCount, parseDurationMs, venueOf, type EventOptions } from "../options.ts";
import { openSchedule } from "../schedule-file.ts";
import { addSurveyOptions, readSurveys, surveyWords, type SurveyOptions, type Surveys } from "../survey/read-surveys.ts";
import { DEMO_PERSON_ID, openDemo, type Demo } from "./demo.ts";
import { rotatingTagsOf } from "../tag-names.ts";
import { figuresLine, type RunFigures } from "./figures.ts";
import { builtPages, openSystem, type System } from "./system.ts";

interface UpOptions extends EventOptions, SurveyOptions {
  host: string;
  port: number;
  trustedProxies: string[];
  compressConnections: number;
  mqttPort: number;
  mqttWsPort: number;
  store: string;
  simulation: boolean;
  seed: string;
  tags: number;
  tagKeys?: string;
  for?: number;
  report?: string;
}

/** `konferenco up`: everything in one process; `npm start` on a fresh clone. */
export function registerUpCommand(program: Command): void {
  addSurveyOptions(addListenOptions(addEventOptions(program.command("up")), "both"))
    .description("broker, fusion, bridge, pages and a simulated venue in one process")
    .addOption(new Option("--store <place>", "embedded, memory or redis://host:port").env("STORE_URL").default("embedded"))
    .option("--no-simulation", "no simulated people and gateways: wait for real ones")
    .option("--seed <text>", "seed of the simulation", "konferenco")
    .option("--tags <count>", "simulated people", parseCount, 48)
    .option("--tag-keys <file>", "keys of tags that change their names (konferenco tag-keys)")
    .option("--for <duration>", "end by itself, e.g. 20s", parseDurationMs)
    .option("--report <file>", "write a JSON summary at the end")
    .action(up);
}

async function up(options: UpOptions): Promise<void> {
  const venue = venueOf(options);
  const schedule = openSchedule(options, venue, Date.now());
  const surveys = readSurveys(options, venue);
  const rotatingTags = options.tagKeys === undefined ? null : rotatingTagsOf(options.tagKeys);
  if (options.report !== undefined) requireWritable(options.report);
  const closers = new Closers();
  const startedAtMs = Date.now();
  try {
    const system = await openSystem({
      eventId: options.event,
      venue,
      schedule: schedule.first,
      surveys,
      dataDir: options.data,
      keysDir: options.keys,
      store: options.store,
      host: options.host,
      httpPort: options.port,
      trustedProxies: options.trustedProxies,
      compressConnections: options.compressConnections,
      mqttPort: options.mqttPort,
      mqttWsPort: options.mqttWsPort,
      demoPersonId: options.simulation ? DEMO_PERSON_ID : null,
      webRoot: builtPages(),
      rotatingTags,
      nowMs: Date.now,
      // On a terminal the live line is the news; changes of state go to a log when stderr is one.
      log: process.stderr.isTTY ? () => undefined : logLine,
    });
    closers.add("system", () => system.close());
    // On a terminal too: who mends the file waits for this line.
    const stopFollowing = schedule.follow((changed) => system.setSchedule(changed), logLine);
    closers.add("schedule", async () => stopFollowing());
    const demo = options.simulation ? await openDemo(system, venue, { seed: options.seed, tags: options.tags, nowMs: Date.now }) : null;
    if (demo !== null) closers.add("simulation", () => demo.close());

    await announce(system, options, surveys);
    const stopShowing = showFigures(system, demo);
    const why = await untilStopped(options.for ?? null);
    stopShowing();
    const figures = figuresOf(system, demo);
    process.stdout.write(`${why === "signal" ? "\n" : ""}Stopping; data stays in ${path.resolve(options.data)}\n`);
    await closers.close();
    if (options.report !== undefined) writeReport(options.report, { system, figures, startedAtMs, options, venue });
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

/** The addresses, with logins that work and links that open once. */
async function announce(system: System, options: UpOptions, surveys: Surveys): Promise<void> {
  const { site, bridge, broker } = system;
  const link = async (page: string, who: Parameters<typeof bridge.issueTicket>[0]) => `${bridge.url}/${page}/#ticket=${await bridge.issueTicket(who)}`;
  const console_ = await link("console", { role: "operator", personId: null });
  const attendee = options.simulation ? await link("attendee", { role: "attendee", personId: DEMO_PERSON_ID }) : null;
  const mqtt = `mqtt://${options.host}:${broker.tcpPort}`;
  const mqttWebSocket = `ws://${options.host}:${broker.wsPort}`;
  const logins = Object.fromEntries(site.logins.map(({ login, password, role }) => [login, { password, role }]));
  const lines = [
    `Konferenco Proximity is running for event "${site.eventId}".`,
    "",
    `  Console    ${console_}`,
    ...(attendee === null ? [] : [`  Attendee   ${attendee}`]),
    `  MQTT       ${mqtt}   (WebSocket: ${mqttWebSocket})`,
    "",
    "  A link opens once, within 10 minutes. Afterwards log in:",
    ...site.logins.map(({ login, password, role }) => `             ${login} / ${password}   (${role})`),
    `             MQTT: app / ${site.applications["app"] ?? ""}   (sends and reads alerts)`,
    ...surveyWords(surveys, system.fusion.stats().calibration).map((words) => `  Survey     ${words}`),
    `  Data       ${path.resolve(options.data)}   (all logins: site.json)`,
    "",
    `  ${options.simulation ? "Simulated people are walking about." : "Waiting for gateways: docs/deploy-a-gateway.md says how to connect one."} Ctrl-C ends.`,
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  if (!process.stdout.isTTY) {
    const applications = site.applications;
    process.stdout.write(`${JSON.stringify({ event: "ready", url: bridge.url, console: console_, attendee, mqtt, mqttWebSocket, logins, applications, data: path.resolve(options.data) })}\n`);
  }
}

/** A line of live counts every second: in place on a terminal, one JSON line otherwise. Returns how to stop it. */
function showFigures(system: System, demo: Demo | null): () => void {
  let before = figuresOf(system, demo);
  let beforeMs = performance.now();
  const timer = setInterval(() => {
    const now = figuresOf(system, demo);
    const nowMs = performance.now();
    if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${figuresLine(now, before, (nowMs - beforeMs) / 1_000)}`);
    else process.stdout.write(`${JSON.stringify({ event: "figures", ...now, observationsPerS: Math.round(((now.observations - before.observations) / (nowMs - beforeMs)) * 1_000) })}\n`);
    before = now;
    beforeMs = nowMs;
  }, 1_000);
  return () => {
    clearInterval(timer);
    if (process.stdout.isTTY) process.stdout.write("\n");
  };
}

function figuresOf(system: System, demo: Demo | null): RunFigures {
  const fusion = system.fusion.stats();
  return {
    gateways: fusion.gateways.online,
    tags: fusion.tags,
    observations: fusion.observations,
    positions: fusion.positions,
    zoneTransitions: fusion.zoneTransitions,
    proximityTransitions: fusion.proximityTransitions,
    alerts: fusion.alerts,
    clients: system.bridge.stats().connections,
    deliveries: demo?.deliveries ?? 0,
    deliveryP50Ms: demo?.delivery.quantile(0.5) ?? null,
    deliveryP95Ms: demo?.delivery.quantile(0.95) ?? system.bridge.stats().deliveryP95Ms,
    positionErrorMedianM: demo?.positionError.quantile(0.5) ?? null,
    positionErrorP95M: demo?.positionError.quantile(0.95) ?? null,
    refused: { ...system.broker.stats().refused, ...fusion.refused },
  };
}

function writeReport(file: string, run: { system: System; figures: RunFigures; startedAtMs: number; options: UpOptions; venue: VenueMap }): void {
  const { figures, startedAtMs, options, venue } = run;
  const report = {
    startedAt: new Date(startedAtMs).toISOString(),
    durationS: (Date.now() - startedAtMs) / 1_000,
    eventId: options.event,
    venueId: venue.venueId,
    seed: options.simulation ? options.seed : null,
    ...figures,
    bridge: run.system.bridge.stats(),
  };
  fs.writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** Said before the run rather than after it. */
function requireWritable(file: string): void {
  try {
    fs.writeFileSync(file, "", { flag: "a" });
  } catch (error) {
    throw new ConfigError(`the report cannot be written to ${file}: ${(error as Error).message}`);
  }
}
