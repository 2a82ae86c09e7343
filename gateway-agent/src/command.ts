import fs from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, parseId } from "@konferenco/protocol";
import { BleUnavailable } from "./ble-source.ts";
import { checkBroker, checkClock, checkRadio, type CheckResult } from "./check.ts";
import { readGatewayConfig, SETTINGS_TEMPLATE, type GatewayConfig } from "./config.ts";
import { GATEWAY_VERSION, nobleSourceOf, openGatewayAgent, type GatewayAgentParts } from "./gateway-agent.ts";
import { newSteadyClock } from "./steady-clock.ts";
import { eventIdentity } from "./tag-id.ts";

/** Exit codes: 0 done, 1 a bug, 2 something that a person must mend, said in one line. */
export type ExitCode = 0 | 2;

export interface CommandSurroundings {
  env: Readonly<Record<string, string | undefined>>;
  out: (line: string) => void;
  complain: (line: string) => void;
  /** Resolves when the process is asked to end. */
  untilAskedToEnd: () => Promise<string>;
  parts?: GatewayAgentParts;
}

const DEFAULT_FILE = "/etc/konferenco/gateway.json";

const USAGE = `konferenco-gateway: hears tags over Bluetooth and reports them over MQTT.

  konferenco-gateway [--config FILE]              run until SIGTERM or Ctrl-C
  konferenco-gateway --init [FILE]                write a commented settings file (never over an existing one)
  konferenco-gateway --check [--config FILE]      try radio, broker login and clock, and say what to mend
  konferenco-gateway --identity [EVENT]           what to write into the event's tags: iBeacon UUID, Eddystone namespace
  konferenco-gateway --version | --help

FILE is ${DEFAULT_FILE} unless given. Exit codes: 0 done, 1 a bug, 2 something to mend (one line says what).`;

/** The command line. Returns the exit code; what a person can mend is one line, a bug is thrown. */
export async function gatewayCommand(args: string[], surroundings: CommandSurroundings): Promise<ExitCode> {
  try {
    return await run(args, surroundings);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof BleUnavailable)) throw error;
    surroundings.complain(`konferenco-gateway: ${error.message}`);
    return 2;
  }
}

async function run(args: string[], surroundings: CommandSurroundings): Promise<ExitCode> {
  const { values, positionals } = parseCommandLine(args);
  const { env, out } = surroundings;
  if (values.help) return said(out, USAGE);
  if (values.version) return said(out, GATEWAY_VERSION);
  if (values.init) return writeTemplate(positionals[0] ?? values.config ?? DEFAULT_FILE, out);
  const file = values.config ?? DEFAULT_FILE;
  if (values.identity) return showIdentity(positionals[0] ?? readGatewayConfig(file, env).eventId, out);
  const config = readGatewayConfig(file, env);
  return values.check ? check(config, surroundings) : serve(config, surroundings);
}

function parseCommandLine(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: "string" },
        init: { type: "boolean" },
        check: { type: "boolean" },
        identity: { type: "boolean" },
        version: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new ConfigError(`${(error as Error).message.split("\n")[0] ?? ""} (--help shows the options)`);
  }
}

async function serve(config: GatewayConfig, { out, untilAskedToEnd, parts }: CommandSurroundings): Promise<ExitCode> {
  // One JSON line per change of state; journald adds the time.
  const log = (event: object) => out(JSON.stringify(event));
  const agent = await openGatewayAgent(config, { log, ...parts });
  log({ event: "started", gatewayId: config.gatewayId, eventId: config.eventId, zoneId: config.zoneId, version: GATEWAY_VERSION, bootId: agent.stats().bootId });
  const why = await untilAskedToEnd();
  await agent.close();
  log({ event: "stopped", why, stats: agent.stats() });
  return 0;
}

async function check(config: GatewayConfig, { out, parts }: CommandSurroundings): Promise<ExitCode> {
  const source = parts?.bleSource ?? nobleSourceOf({ ...config, radio: { ...config.radio, advertise: false } }, newSteadyClock(), () => {});
  const results: CheckResult[] = [];
  for (const examine of [() => checkRadio(config, source), () => checkBroker(config), () => checkClock(Date.now())]) {
    const result = await examine();
    results.push(result);
    out(`${result.ok ? "ok  " : "MEND"}  ${result.what}: ${result.finding}`);
  }
  return results.every((result) => result.ok) ? 0 : 2;
}

function writeTemplate(file: string, out: (line: string) => void): ExitCode {
  try {
    // It will hold a password: for its owner's eyes.
    fs.writeFileSync(file, SETTINGS_TEMPLATE, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST") throw new ConfigError(`${file} is there already and stays as it is: name another file, or remove it first`);
    if (code === "ENOENT") throw new ConfigError(`the folder of ${file} does not exist: run "sudo mkdir -p" for it first`);
    throw new ConfigError(`${file} cannot be written (${code ?? "unknown fault"}): run with sudo, or name another file`);
  }
  return said(out, `${file} written: fill in its first part, then run "konferenco-gateway --check --config ${file}"`);
}

function showIdentity(eventId: string, out: (line: string) => void): ExitCode {
  const id = parseId(eventId);
  if (!id.ok) throw new ConfigError(id.detail);
  const { ibeaconUuid, eddystoneNamespaceHex } = eventIdentity(eventId);
  out(`event                ${eventId}`);
  out(`iBeacon UUID         ${ibeaconUuid}   (major and minor name the tag: ib:<major>:<minor>; major 65535 is for gateways)`);
  return said(out, `Eddystone namespace  ${eddystoneNamespaceHex}                   (the instance names the tag: ed:<instance>)`);
}

function said(out: (line: string) => void, text: string): ExitCode {
  out(text);
  return 0;
}
