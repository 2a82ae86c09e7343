import fs from "node:fs";
import path from "node:path";
import { ConfigError, type TagId, type VenueMap } from "@konferenco/protocol";
import type { WalkerState } from "./crowd.ts";
import type { Sighting } from "./radio.ts";

/**
 * Writes what was heard and where everybody truly was, in the format of recordings of real radio
 * (docs/recordings.md): a simulation is a recording. Rows must come in order of time.
 */
export interface RecordingWriter {
  sightings(heard: readonly Sighting[]): void;
  /** Everybody's place at one time; twice a second as in the recordings of real walks. */
  truth(atMs: number, walkers: readonly WalkerState[]): void;
  /** Ends open contacts and closes the files. */
  close(): RecordingSummary;
}

export interface RecordingSummary {
  dir: string;
  observations: number;
  truthPoints: number;
  contacts: number;
}

export interface RecordingWriterOptions {
  dir: string;
  venue: VenueMap;
  tagIds: readonly TagId[];
  tagHeightM: number;
  notes: string;
  /** Two people this near are in contact. 3 m: what fusion calls near, and what -70 dBm stands for (requirement A6). */
  contactM?: number;
}

/** A contact shorter than this is somebody passing by; an interruption shorter than CONTACT_GAP_MS does not end it. */
const MIN_CONTACT_MS = 5_000;
const CONTACT_GAP_MS = 3_000;

/** Rows are written in pieces of this size: one system call in 2,000 rows. */
const BUFFER_BYTES = 64 * 1024;

interface OpenContact {
  tagA: TagId;
  tagB: TagId;
  startMs: number;
  lastMs: number;
  distanceSumM: number;
  samples: number;
}

export function openRecordingWriter(options: RecordingWriterOptions): RecordingWriter {
  const { dir, venue, contactM = 3 } = options;
  if (fs.existsSync(path.join(dir, "observations.csv"))) {
    throw new ConfigError(`${dir} holds a recording already: name another folder, or remove this one first`);
  }
  try {
    fs.mkdirSync(dir, { recursive: true });
    const map = { ...venue, tags: options.tagIds.map((tagId) => ({ tagId, zM: options.tagHeightM })), notes: options.notes };
    fs.writeFileSync(path.join(dir, "venue.json"), `${JSON.stringify(map, null, 1)}\n`);
  } catch (error) {
    throw new ConfigError(`the recording cannot be written to ${dir}: ${(error as Error).message}`);
  }
  const observations = openCsv(path.join(dir, "observations.csv"), "atMs,gatewayId,tagId,rssiDbm");
  const truth = openCsv(path.join(dir, "truth.csv"), "atMs,tagId,xM,yM,floor,zoneId");
  const open = new Map<string, OpenContact>();
  const ended: OpenContact[] = [];

  function end(key: string, contact: OpenContact): void {
    open.delete(key);
    if (contact.lastMs - contact.startMs >= MIN_CONTACT_MS) ended.push(contact);
  }

  function meet(atMs: number, walkers: readonly WalkerState[]): void {
    for (const [a, b, distanceM] of pairsWithin(walkers, contactM)) {
      const [tagA, tagB] = a.tagId < b.tagId ? [a.tagId, b.tagId] : [b.tagId, a.tagId];
      const key = `${tagA} ${tagB}`;
      const contact = open.get(key);
      if (contact === undefined) open.set(key, { tagA, tagB, startMs: atMs, lastMs: atMs, distanceSumM: distanceM, samples: 1 });
      else {
        contact.lastMs = atMs;
        contact.distanceSumM += distanceM;
        contact.samples++;
      }
    }
    for (const [key, contact] of open) if (atMs - contact.lastMs > CONTACT_GAP_MS) end(key, contact);
  }

  return {
    sightings(heard) {
      for (const { atMs, gatewayId, tagId, rssiDbm } of heard) observations.row(`${atMs},${gatewayId},${tagId},${rssiDbm}`);
    },
    truth(atMs, walkers) {
      for (const { tagId, xM, yM, floor, zoneId } of walkers) truth.row(`${atMs},${tagId},${xM.toFixed(3)},${yM.toFixed(3)},${floor},${zoneId ?? ""}`);
      meet(atMs, walkers);
    },
    close() {
      for (const [key, contact] of open) end(key, contact);
      ended.sort((a, b) => a.startMs - b.startMs || (a.tagA < b.tagA ? -1 : a.tagA > b.tagA ? 1 : a.tagB < b.tagB ? -1 : 1));
      const contacts = openCsv(path.join(dir, "contacts.csv"), "startMs,endMs,tagA,tagB,distanceM");
      for (const { startMs, lastMs, tagA, tagB, distanceSumM, samples } of ended) contacts.row(`${startMs},${lastMs},${tagA},${tagB},${(distanceSumM / samples).toFixed(3)}`);
      return { dir, observations: observations.close(), truthPoints: truth.close(), contacts: contacts.close() };
    },
  };
}

function openCsv(file: string, header: string) {
  const descriptor = fs.openSync(file, "w");
  let pending = `${header}\n`;
  let rows = 0;
  const flush = (): void => {
    fs.writeSync(descriptor, pending);
    pending = "";
  };
  return {
    row(text: string): void {
      pending += `${text}\n`;
      rows++;
      if (pending.length >= BUFFER_BYTES) flush();
    },
    /** How many rows it has. */
    close(): number {
      flush();
      fs.closeSync(descriptor);
      return rows;
    },
  };
}

/** Pairs on one floor within the distance, by a grid of cells of that size: time grows with people, not with pairs. */
function* pairsWithin(walkers: readonly WalkerState[], withinM: number): Generator<[WalkerState, WalkerState, number]> {
  const cells = new Map<string, WalkerState[]>();
  for (const walker of walkers) {
    const column = Math.floor(walker.xM / withinM);
    const row = Math.floor(walker.yM / withinM);
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        for (const other of cells.get(`${walker.floor}/${column + dx}/${row + dy}`) ?? []) {
          const distanceM = Math.hypot(walker.xM - other.xM, walker.yM - other.yM);
          if (distanceM <= withinM) yield [other, walker, distanceM];
        }
      }
    }
    const key = `${walker.floor}/${column}/${row}`;
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [walker]);
    else cell.push(walker);
  }
}
