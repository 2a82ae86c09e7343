import { MESSAGE_TYPES, StoreUnavailable, type GatewayHealth, type LoggedBody, type Position, type PresenceEntry, type Signal } from "@konferenco/protocol";
import { keyOf, speakersOf } from "./commit-batch.ts";
import { ON_THE_WAY, personSubject, type KeyRing, type SubjectKey } from "./key-ring.ts";
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
    /** A channel, no key. */
    told: key("told"),
    geo: (floor: number) => key(`geo:${floor}`),
    recent: (handle: string) => key(`recent:${handle}`),
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

// What is about somebody is sealed with their key, as a JSON string; without the key it is "erased". What stands in
// Redis was written by us, but anybody with its password can write there: a broken record is refused and counted,
// and does not end the process.

/** A record as it is written: JSON, sealed for those whom it is about. */
export function sealedRecord(json: string, of: readonly SubjectKey[], keys: KeyRing): string {
  return of.length === 0 ? json : JSON.stringify(keys.seal(of, json));
}

/** The signal without the erased; null: nobody is left in it. */
export function keptSignal(signal: Signal, keys: KeyRing): Signal | null {
  const isKept = (speaker: string) => keys.keyFor(personSubject(speaker)) !== null;
  if (signal.kind === "presence") return { ...signal, people: signal.people.filter(({ who }) => isKept(who)) };
  const about = signal.kind === "resync" ? signal.who : signal.kind === "counts_read" ? signal.by : null;
  return about === null || isKept(about) ? signal : null;
}

/** A kept signal as it is written; of several people each is sealed alone. */
export function signalRecord(signal: Signal, keys: KeyRing): string {
  const keyOfSpeaker = (speaker: string) => keyOf(personSubject(speaker), keys);
  const json = JSON.stringify(signal);
  switch (signal.kind) {
    case "presence":
      return JSON.stringify({ ...signal, people: signal.people.map((one) => keys.seal([keyOfSpeaker(one.who)], JSON.stringify(one))) });
    case "said":
      return sealedRecord(json, speakersOf(signal.message).map((subject) => keyOf(subject, keys)), keys);
    case "resync":
      return sealedRecord(json, signal.who === null ? [] : [keyOfSpeaker(signal.who)], keys);
    case "counts_read":
      return sealedRecord(json, [keyOfSpeaker(signal.by)], keys);
    default:
      return json;
  }
}

// A commit is told to those who follow as it is stored: numbers, then all of it sealed as one. It is told and not kept; who
// cannot read it, or misses one, reads the streams. So that a reader opens one seal and parses one text, not one for each update.

/** Beyond this a commit is told by its numbers alone: 10,000 positions. */
const MAX_TOLD_BYTES = 4 * 1024 * 1024;

/**
 * What a commit is told with. Asked for before it is looked who is erased: so nobody whose erasure came before the key is in
 * what it seals. Null while it cannot be kept, as on a full disk: then the streams are read, and an alert waits for nothing.
 */
export function keyOfTold(keys: KeyRing): SubjectKey | null {
  try {
    return keys.keyFor(ON_THE_WAY);
  } catch (error) {
    if (error instanceof StoreUnavailable) return null;
    throw error;
  }
}

/** What the commit script passes on to who follows. */
export function toldBatch(parts: { logged: string[]; positions: string[]; gateways: string[]; signals: string[] }, key: SubjectKey | null, keys: KeyRing): string {
  const list = (records: string[]) => `[${records.join(",")}]`;
  const json = `{"logged":${list(parts.logged)},"positions":${list(parts.positions)},"gateways":${list(parts.gateways)},"signals":${list(parts.signals)}}`;
  return key === null || json.length > MAX_TOLD_BYTES ? "" : keys.seal([key], json);
}

/** What stands before and after a commit: where the log ends, and the number of the last live entry. */
export interface Place {
  offset: number;
  live: number;
}

/** `epoch now offset offset live live sealed`, as COMMIT tells it. Empty: not all that was given was stored, or it was too much. */
export function parseTold(text: string): { epoch: string; storedAtMs: number; before: Place; after: Place; sealed: string } {
  const [epoch = "", now, offsetBefore, offsetAfter, liveBefore, liveAfter, sealed = ""] = text.split(" ");
  return { epoch, storedAtMs: Number(now), before: { offset: Number(offsetBefore), live: Number(liveBefore) }, after: { offset: Number(offsetAfter), live: Number(liveAfter) }, sealed };
}

/** Null: the key has ended with somebody's erasure. What opens was sealed by one of us, so it is not looked at again. */
export function openTold(sealed: string, keys: KeyRing): { logged: LoggedBody[]; positions: Position[]; gateways: GatewayHealth[]; signals: Signal[] } | null {
  const json = keys.open(sealed);
  return json === null ? null : (JSON.parse(json) as ReturnType<typeof openTold>);
}

export type Erased = "erased";

export function parseLogged(json: string | undefined, keys: KeyRing): LoggedBody | null {
  const body = opened(parsed(json), keys);
  if (body === "erased") return { kind: "erased" };
  if (!isObject(body)) return null;
  if (body.kind === "zone" && isObject(body.zone)) return body as unknown as LoggedBody;
  if (body.kind === "proximity" && isObject(body.proximity)) return body as unknown as LoggedBody;
  if (body.kind === "alert" && isObject(body.alert)) return body as unknown as LoggedBody;
  if (body.kind === "message" && isMessage(body.message)) return body as unknown as LoggedBody;
  return null;
}

export function parsePosition(json: string | null | undefined, keys: KeyRing): Position | Erased | null {
  return asPosition(opened(parsed(json), keys));
}

export function parseGateway(json: string | null | undefined): GatewayHealth | null {
  return asGateway(parsed(json));
}

/** Positions, gateways and signals of one live entry; null stands for each broken one. */
export function parseLive(fields: string[], keys: KeyRing): { positions: (Position | Erased | null)[]; gateways: (GatewayHealth | null)[]; signals: (Signal | Erased | null)[] } {
  return {
    positions: parseList(fieldOf(fields, "p")).map((one) => asPosition(opened(one, keys))),
    gateways: parseList(fieldOf(fields, "g")).map(asGateway),
    signals: parseList(fieldOf(fields, "s")).map((one) => asSignal(opened(one, keys), keys)),
  };
}

function opened(record: unknown, keys: KeyRing): unknown {
  if (typeof record !== "string") return record;
  const plain = keys.open(record);
  return plain === null ? "erased" : parsed(plain);
}

function asPosition(value: unknown): Position | Erased | null {
  if (value === "erased") return value;
  if (!isObject(value)) return null;
  const numbers = [value.xM, value.yM, value.floor, value.atMs, value.vxMps, value.vyMps, value.accuracy95M, value.confidence];
  return typeof value.tagId === "string" && numbers.every((number) => typeof number === "number") ? (value as unknown as Position) : null;
}

function asGateway(value: unknown): GatewayHealth | null {
  return isObject(value) && typeof value.gatewayId === "string" && typeof value.state === "string" ? (value as unknown as GatewayHealth) : null;
}

function asSignal(value: unknown, keys: KeyRing): Signal | Erased | null {
  if (value === "erased") return value;
  if (!isObject(value)) return null;
  switch (value.kind) {
    case "said":
      return isMessage(value.message) ? (value as unknown as Signal) : null;
    case "presence": {
      if (typeof value.bridge !== "string" || !Array.isArray(value.people)) return null;
      const people = value.people.map((one) => opened(one, keys)).filter((one) => one !== "erased");
      return people.every(isPresence) ? ({ ...value, people } as unknown as Signal) : null;
    }
    case "receipts":
      return typeof value.bridge === "string" && typeof value.alertId === "string" && isObject(value.counts) ? (value as unknown as Signal) : null;
    case "resync":
      return value.who === null || typeof value.who === "string" ? (value as unknown as Signal) : null;
    case "counts_read":
      return typeof value.by === "string" && (value.how === "asked" || value.how === "live") ? (value as unknown as Signal) : null;
    case "flow":
      return typeof value.from === "string" && isObject(value.counts) && Object.values(value.counts).every((count) => typeof count === "number") ? (value as unknown as Signal) : null;
    default:
      return null;
  }
}

function isPresence(value: unknown): value is PresenceEntry {
  return isObject(value) && typeof value.who === "string" && Array.isArray(value.channels);
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

function parsed(json: string | null | undefined): unknown {
  try {
    return JSON.parse(json ?? "null");
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
