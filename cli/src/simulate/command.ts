import fs from "node:fs";
import { Option, type Command } from "commander";
import { z } from "zod";
import { ConfigError, idSchema, jsonOfFile, type GatewayId, type VenueMap } from "@konferenco/protocol";
import {
  CROWD_DEFAULTS,
  NO_FAULTS,
  TRUTH_INTERVAL_MS,
  newCrowd,
  newFaults,
  newNavigation,
  newRadio,
  openFleet,
  openRecordingWriter,
  parseFaultPlan,
  recordSimulation,
  simulationNotes,
  venueOfGateways,
  type Faults,
  type FleetCredentials,
} from "@konferenco/simulators";
import { openHealthServer } from "../processes/health-server.ts";
import { addEventOptions, parseCount, parseDurationMs, parsePort, parsePositive, venueOf, type EventOptions } from "../options.ts";
import { requireSite } from "../site.ts";
import { newProgress, onInterrupt, withBrokerFaults } from "./progress.ts";
import { registerDemoPeople } from "./register-people.ts";

interface SimulateOptions extends EventOptions {
  broker: string;
  seed: string;
  tags: number;
  gateways?: string;
  for?: number;
  speed: number;
  pace: number;
  faults?: string;
  write?: string;
  truth?: string;
  login?: string;
  password?: string;
  credentials?: string;
  anonymous?: true;
  connectWithin: number;
  register?: string;
  healthPort?: number;
}

export function registerSimulateCommand(program: Command): void {
  addEventOptions(program.command("simulate"), { broker: true })
    .description("a venue in a box: walkers and gateways over real MQTT, or written as a recording")
    .addOption(new Option("--seed <seed>", "same seed, same venue life").default("1"))
    .addOption(new Option("--tags <number>", "walkers").default(CROWD_DEFAULTS.tags).argParser(parseCount))
    .addOption(new Option("--gateways <ids>", "only these gateways, separated by commas; the others are real or off"))
    .addOption(new Option("--for <duration>", "stop after this time of the simulation, e.g. 5m; without it until Ctrl-C").argParser(parseDurationMs))
    .addOption(new Option("--speed <factor>", "seconds of the simulation per second; only for consumers on report time").default(1).argParser(parsePositive))
    .addOption(new Option("--pace <factor>", "how long people stay and talks last: 1 is a demo, 12 a real day").default(CROWD_DEFAULTS.pace).argParser(parsePositive))
    .addOption(new Option("--faults <file>", "a fault plan (docs/run-a-simulation.md)"))
    .addOption(new Option("--write <folder>", "no broker: write a recording with truth, as fast as possible; needs --for"))
    .addOption(new Option("--truth <folder>", "write the same recording beside a run over MQTT"))
    .addOption(new Option("--login <name>", "one application's login with the right publish-reports for all gateways; status messages are left out").env("KONFERENCO_LOGIN"))
    .addOption(new Option("--password <password>", "its password").env("KONFERENCO_PASSWORD"))
    .addOption(new Option("--credentials <file>", "gateways' passwords: site.json of a data folder, or {\"gateways\": {id: password}}"))
    .addOption(new Option("--anonymous", "no login, for a broker that lets everybody in"))
    .addOption(new Option("--register <url>", "give the walkers' tags to invented people at this bridge, e.g. http://127.0.0.1:8080").env("KONFERENCO_BRIDGE"))
    .addOption(new Option("--health-port <port>", "serve GET /health while it runs").env("KONFERENCO_HEALTH_PORT").argParser(parsePort))
    .addOption(new Option("--connect-within <duration>", "how long the broker may take to answer at first").default(10_000, "10s").argParser(parseDurationMs))
    .addHelpText("after", "\nWithout --login, --credentials or --anonymous the gateways' passwords come from site.json in the data folder (--data).")
    .action((options: SimulateOptions) => withBrokerFaults(() => runSimulation(options)));
}

async function runSimulation(options: SimulateOptions): Promise<void> {
  const venue = venueOf(options);
  if (options.tags < 1) throw new ConfigError("--tags 0: a simulation needs at least one walker");
  const gatewayIds = options.gateways === undefined ? null : options.gateways.split(",").map((id) => id.trim());
  const simulated = venueOfGateways(venue, gatewayIds);
  if (simulated.gateways.length === 0) throw new ConfigError("the venue map has no gateways: nothing would be heard (docs/venue-map.md)");
  for (const zoneId of newNavigation(venue).unreachableZoneIds) process.stderr.write(`nobody can walk to zone "${zoneId}": its walls have no gap for a door\n`);
  const faults = options.faults === undefined ? NO_FAULTS : newFaults(parseFaultPlan(readText(options.faults, "the fault plan"), options.faults), venue, options.seed);
  if (options.write !== undefined) return writeRecording(options, options.write, venue, gatewayIds, faults);
  await runFleet(options, venue, simulated, gatewayIds, faults);
}

async function writeRecording(options: SimulateOptions, dir: string, venue: VenueMap, gatewayIds: GatewayId[] | null, faults: Faults): Promise<void> {
  const { for: forMs } = options;
  if (forMs === undefined) throw new ConfigError("--write needs --for: how much of the venue's life to write, for example --for 10m");
  const progress = newProgress();
  const interrupt = onInterrupt();
  try {
    const summary = await recordSimulation({
      dir,
      venue,
      seed: options.seed,
      forMs,
      crowd: { tags: options.tags, pace: options.pace },
      gatewayIds,
      faults,
      onProgress: (atMs, observations) => progress.show({ simulatedS: atMs / 1_000, ofS: forMs / 1_000, observations }),
      isCancelled: () => interrupt.happened(),
    });
    progress.end({ written: summary.dir, observations: summary.observations, truthPoints: summary.truthPoints, contacts: summary.contacts, seed: options.seed });
  } finally {
    interrupt.forget();
  }
}

async function runFleet(options: SimulateOptions, venue: VenueMap, simulated: VenueMap, gatewayIds: GatewayId[] | null, faults: Faults): Promise<void> {
  if (options.register !== undefined) {
    const people = await registerDemoPeople({ bridgeUrl: options.register, site: requireSite(options.data), seed: options.seed, tags: options.tags, nowMs: Date.now() });
    process.stderr.write(`${people} people are registered at ${options.register}\n`);
  }
  const crowd = newCrowd(venue, options.seed, { tags: options.tags, pace: options.pace });
  const radio = newRadio(venue, options.seed);
  const credentials = credentialsOf(options, simulated);
  const writer =
    options.truth === undefined
      ? null
      : openRecordingWriter({ dir: options.truth, venue: simulated, tagIds: crowd.tagIds, tagHeightM: radio.config.tagHeightM, notes: simulationNotes(options.seed, crowd, radio) });
  let truthDueMs = TRUTH_INTERVAL_MS;
  const progress = newProgress();
  const interrupt = onInterrupt();
  try {
    const fleet = await openFleet({
      brokerUrl: options.broker,
      eventId: options.event,
      venue,
      credentials,
      crowd,
      radio,
      nowMs: Date.now,
      connectWithinMs: options.connectWithin,
      speed: options.speed,
      gatewayIds,
      faults,
      onStep(atMs, heard) {
        writer?.sightings(heard);
        if (writer === null || atMs < truthDueMs) return;
        writer.truth(atMs, crowd.positions());
        truthDueMs = atMs + TRUTH_INTERVAL_MS;
      },
    });
    const health = options.healthPort === undefined ? null : await openHealthServer({ host: "127.0.0.1", port: options.healthPort, health: async () => fleet.stats() });
    try {
      let before = fleet.stats();
      await interrupt.everySecond(() => {
        const stats = fleet.stats();
        progress.show({
          simulatedS: Math.round(stats.simulatedMs / 1_000),
          gateways: stats.gateways,
          walkers: stats.walkers,
          observationsPerS: stats.observations - before.observations,
          reportsPerS: stats.reports - before.reports,
          dropped: stats.droppedReports,
        });
        before = stats;
        return options.for !== undefined && stats.simulatedMs >= options.for;
      });
    } finally {
      await health?.close();
      await fleet.close();
    }
    progress.end({ ...fleet.stats(), seed: options.seed });
  } finally {
    interrupt.forget();
    writer?.close();
  }
}

const passwordsSchema = z.object({ gateways: z.record(idSchema, z.string().min(1)) });

function credentialsOf(options: SimulateOptions, venue: VenueMap): FleetCredentials {
  if (options.anonymous) return { kind: "none" };
  if (options.login !== undefined) {
    if (options.password === undefined) throw new ConfigError("--login needs --password (or KONFERENCO_PASSWORD)");
    return { kind: "application", login: options.login, password: options.password };
  }
  const source = options.credentials ?? `${options.data}/site.json`;
  const passwords = options.credentials === undefined ? requireSite(options.data).gateways : readPasswords(options.credentials);
  const gateways = venue.gateways.map(({ gatewayId }) => {
    const password = passwords[gatewayId];
    if (password === undefined) throw new ConfigError(`${source} has no password for gateway "${gatewayId}": add one, or name the gateways to simulate with --gateways`);
    return { gatewayId, password };
  });
  return { kind: "gateways", gateways };
}

function readPasswords(file: string): Record<string, string> {
  let json: unknown;
  try {
    json = jsonOfFile(readText(file, "the credentials file"));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${file} is not JSON: ${(error as Error).message}`);
  }
  const result = passwordsSchema.safeParse(json);
  if (result.success) return result.data.gateways;
  throw new ConfigError(`${file} is not a credentials file: it must look like {"gateways": {"gw-1": "password"}}`);
}

function readText(file: string, what: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${what} ${file} cannot be read: ${(error as Error).message}`);
  }
}
