import { MESSAGE_TYPES, type GatewayHealth, type LoggedBody, type Position, type Signal } from "@konferenco/protocol";
import type { Era, Lineage } from "./lineage.ts";

/** A stream entry as ioredis gives it: id, then field, value, field, value … */
export type StreamEntry = [id: string, fields: string[]];

/** Names of one event's keys, all in one slot of a cluster. */
export function keysOf(eventId: string) {
  const prefix = `konferenco:{${eventId}}:`;
  const key = (name: string) => `${prefix}${name}`;
  return {
    prefix,
    meta: key("meta"),
    log: key("log"),
    live: key("live"),
    positions: key("positions"),
    floors: key("floors"),
    seen: key("seen"),
    alerts: key("alerts"),
    said: key("said"),
    stays: key("stays"),
    staysAt: key("staysAt"),
    occupants: key("occupants"),
    gateways: key("gateways"),
    recentAt: key("recentAt"),
    geo: (floor: number) => key(`geo:${floor}`),
    recent: (tagId: string) => key(`recent:${tagId}`),
    commits: (writer: string) => key(`commits:${writer}`),
  };
}
export type EventKeys = ReturnType<typeof keysOf>;

/** `epoch:from,epoch:from …` */
export function parseEras(text: string): Lineage {
  const eras = text.split(",").map((part): Era => {
    const [epoch = "", from = "0"] = part.split(":");
    return { epoch, from: Number(from) };
  });
  const [oldest, ...newer] = eras;
  return [oldest as Era, ...newer];
}

/** An epoch is 48 random bits in hex; in stream ids it stands as a number. */
export function epochNumber(epoch: string): number {
  return Number.parseInt(epoch, 16);
}

export function parseStreamId(id: string): { number: number; epoch: number } {
  const [number = "", epoch = ""] = id.split("-");
  return { number: Number(number), epoch: Number(epoch) };
}

/** The first possible id after all that carry this number. */
export function idAfter(number: number): string {
  return `${number}-18446744073709551615`;
}

export function fieldOf(fields: string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

// What stands in Redis was written by us, but anybody with its password can write there: a broken
// record is refused and counted, and does not end the process.

export function parseLogged(json: string | undefined): LoggedBody | null {
  const body = parseObject(json);
  if (body === null) return null;
  if (body.kind === "zone" && isObject(body.zone)) return body as unknown as LoggedBody;
  if (body.kind === "proximity" && isObject(body.proximity)) return body as unknown as LoggedBody;
  if (body.kind === "alert" && isObject(body.alert)) return body as unknown as LoggedBody;
  if (body.kind === "message" && isMessage(body.message)) return body as unknown as LoggedBody;
  return null;
}

export function parsePosition(json: string | null | undefined): Position | null {
  return asPosition(parseObject(json));
}

export function parseGateway(json: string | null | undefined): GatewayHealth | null {
  return asGateway(parseObject(json));
}

/** Positions, gateways and signals of one live entry; null stands for each broken one. */
export function parseLive(fields: string[]): { positions: (Position | null)[]; gateways: (GatewayHealth | null)[]; signals: (Signal | null)[] } {
  return { positions: parseList(fieldOf(fields, "p")).map(asPosition), gateways: parseList(fieldOf(fields, "g")).map(asGateway), signals: parseList(fieldOf(fields, "s")).map(asSignal) };
}

function asPosition(value: unknown): Position | null {
  if (!isObject(value)) return null;
  const numbers = [value.xM, value.yM, value.floor, value.atMs, value.vxMps, value.vyMps, value.accuracy95M, value.confidence];
  return typeof value.tagId === "string" && numbers.every((number) => typeof number === "number") ? (value as unknown as Position) : null;
}

function asGateway(value: unknown): GatewayHealth | null {
  return isObject(value) && typeof value.gatewayId === "string" && typeof value.state === "string" ? (value as unknown as GatewayHealth) : null;
}

function asSignal(value: unknown): Signal | null {
  if (!isObject(value)) return null;
  switch (value.kind) {
    case "said":
      return isMessage(value.message) ? (value as unknown as Signal) : null;
    case "presence":
      return typeof value.bridge === "string" && Array.isArray(value.people) && value.people.every((one) => isObject(one) && typeof one.who === "string" && Array.isArray(one.channels)) ? (value as unknown as Signal) : null;
    case "receipts":
      return typeof value.bridge === "string" && typeof value.alertId === "string" && isObject(value.counts) ? (value as unknown as Signal) : null;
    case "resync":
      return value.who === null || typeof value.who === "string" ? (value as unknown as Signal) : null;
    case "flow":
      return typeof value.from === "string" && isObject(value.counts) && Object.values(value.counts).every((count) => typeof count === "number") ? (value as unknown as Signal) : null;
    default:
      return null;
  }
}

function isMessage(value: unknown): boolean {
  if (!isObject(value) || typeof value.from !== "string" || typeof value.type !== "string" || !Object.hasOwn(MESSAGE_TYPES, value.type)) return false;
  return isObject(value.to) && typeof value.to.id === "string" && isObject(value.payload) && typeof value.atMs === "number";
}

function parseList(json: string | undefined): unknown[] {
  try {
    const list: unknown = JSON.parse(json ?? "[]");
    return Array.isArray(list) ? list : [null];
  } catch {
    return [null];
  }
}

function parseObject(json: string | null | undefined): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json ?? "null");
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
