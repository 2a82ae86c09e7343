import fs from "node:fs";
import { InvalidArgumentError } from "commander";
import { ConfigError, isId, NO_ORIGIN, parseVenueMap, type VenueMap, type VenueOrigin } from "@konferenco/protocol";

// How the words of the command line become values. Each refusal says what would be right.

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** "20s", "5m", "1h", "500ms" to milliseconds. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) throw new InvalidArgumentError(`"${text}" is not a duration such as 20s, 5m or 1h.`);
  return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}

/** 0 picks a free port. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError(`"${text}" is not a port: 0 (a free one) to 65535.`);
  return port;
}

export function parseEventId(text: string): string {
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

export function readVenueFile(file: string): VenueMap {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`the venue file ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseVenueMap(text, file);
}

export function originOf(venue: VenueMap): VenueOrigin {
  return venue.origin ?? NO_ORIGIN;
}
