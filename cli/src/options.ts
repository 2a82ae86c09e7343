import fs from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { demoVenue } from "@konferenco/simulators";
import { ConfigError, isId, jsonOfFile, NO_ORIGIN, parseVenueMap, venueFromGeoJson, type VenueMap, type VenueOrigin } from "@konferenco/protocol";

// How the words of the command line become values. Each refusal says what would be right.

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** "20s", "5m", "1h", "500ms" to milliseconds. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) throw new InvalidArgumentError(`"${text}" is not a duration such as 20s, 5m or 1h.`);
  return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}

export function parseList(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

/** 0 picks a free port. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError(`"${text}" is not a port: 0 (a free one) to 65535.`);
  return port;
}

function parseEventId(text: string): string {
  if (!isId(text)) throw new InvalidArgumentError(`"${text}" is not an event id: letters, digits and . _ : - only, at most 64.`);
  return text;
}

export function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a whole number.`);
  return Number(text);
}

export function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError(`"${text}" is not a number above 0.`);
  return value;
}

/** A venue map of ours or, by its name, GeoJSON. */
function readVenueFile(file: string): VenueMap {
  return /\.geojson$/i.test(file) ? venueFromGeoJson(readJson(file), file) : parseVenueMap(readText(file), file);
}

export function readJson(file: string): unknown {
  try {
    return jsonOfFile(readText(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${file} is not JSON: ${(error as Error).message}`);
  }
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`the venue file ${file} cannot be read: ${(error as Error).message}`);
  }
}

export function originOf(venue: VenueMap): VenueOrigin {
  return venue.origin ?? NO_ORIGIN;
}

/** Options that name the installation; all commands that touch one share them. */
export interface EventOptions {
  event: string;
  data: string;
  keys?: string;
  venue?: string;
  schedule?: string;
}

export interface HealthOption {
  healthPort: number;
  healthHost: string;
}

export function addEventOptions(command: Command, also: { broker?: boolean; store?: boolean } = {}): Command {
  command
    .addOption(new Option("--event <id>", "the event id, second segment of every topic").env("KONFERENCO_EVENT").default("demo").argParser(parseEventId))
    .addOption(new Option("--data <folder>", "folder of secrets, log and people").env("KONFERENCO_DATA").default("data"))
    .addOption(new Option("--keys <folder>", "folder of the keys of people and tags, apart from the data and its backups; without it <data>.keys").env("KONFERENCO_KEYS"))
    .addOption(new Option("--venue <file>", "venue map (docs/venue-map.md); without it the demo venue").env("KONFERENCO_VENUE"))
    .addOption(new Option("--schedule <file>", "sessions, exhibitors, meetings and regions (docs/schedule.md); the demo venue has its own").env("KONFERENCO_SCHEDULE"));
  if (also.broker) command.addOption(new Option("--broker <url>", "the MQTT broker").env("BROKER_URL").default("mqtt://127.0.0.1:1883"));
  if (also.store) command.addOption(new Option("--store <url>", "redis://host:port").env("STORE_URL").default("redis://127.0.0.1:6379"));
  return command;
}

export function addListenOptions(command: Command, what: "http" | "mqtt" | "both"): Command {
  command.addOption(new Option("--host <address>", "address to listen on; 0.0.0.0 for all: put TLS in front").env("KONFERENCO_HOST").default("127.0.0.1"));
  if (what !== "mqtt") command.addOption(new Option("--port <port>", "HTTP and WebSocket; 0 picks a free one").env("KONFERENCO_PORT").default(8080).argParser(parsePort));
  if (what !== "mqtt") command.addOption(new Option("--trusted-proxies <list>", "addresses or ranges of the reverse proxies, by commas: the clients' addresses are taken from their X-Forwarded-For").env("KONFERENCO_TRUSTED_PROXIES").default([], "none").argParser(parseList));
  if (what !== "mqtt") command.addOption(new Option("--compress-connections <count>", "compress the WebSockets of so many clients that offer it, 100 KB of memory each").env("KONFERENCO_COMPRESS_CONNECTIONS").default(0).argParser(parseCount));
  if (what !== "http") {
    command
      .addOption(new Option("--mqtt-port <port>", "MQTT over TCP; 0 picks a free one").env("KONFERENCO_MQTT_PORT").default(1883).argParser(parsePort))
      .addOption(new Option("--mqtt-ws-port <port>", "MQTT over WebSocket; 0 picks a free one").env("KONFERENCO_MQTT_WS_PORT").default(9001).argParser(parsePort));
  }
  return command;
}

export function addHealthOption(command: Command): Command {
  return command
    .addOption(new Option("--health-port <port>", "GET /health").env("KONFERENCO_HEALTH_PORT").default(8090).argParser(parsePort))
    .addOption(new Option("--health-host <address>", "where /health listens").env("KONFERENCO_HEALTH_HOST").default("127.0.0.1"));
}

/** The user's own venue, or the demo venue. */
export function venueOf(options: { venue?: string }): VenueMap {
  return options.venue === undefined ? demoVenue() : readVenueFile(options.venue);
}
