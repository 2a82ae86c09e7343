import path from "node:path";
import { openFusionService, type FusionConfig, type FusionService, type FusionStats, type PairState } from "@konferenco/fusion";
import { messagesOfRecording, loadRecording, recordMeetings, type RecordedMessage, type Recording } from "@konferenco/simulators";
import type { BeaconReport, GatewayHealth, Position, ProximityTransition, ZoneTransition } from "@konferenco/protocol";
import { vi } from "vitest";
import { fakeStore } from "./fake-store.ts";

const EVENT = "recording";
/** Ticks fall on whole half seconds of it. */
export const BEGAN_MS = 1_000_000_000;

/** A message on its way: what it says, and when it comes. */
export interface Delivery {
  message: RecordedMessage;
  arrivesAtMs: number;
}

/** What a run gave, and of it only what came after an instant. */
export interface Told {
  positions: Position[];
  zones: ZoneTransition[];
  proximity: ProximityTransition[];
  pairs: PairState[];
  gateways: GatewayHealth[];
  stats: FusionStats;
}

/** Real ones and simulated ones, so much of each. */
export const RECORDINGS: Readonly<Record<string, () => Recording>> = {
  "kolakowski-flat/robot": () => fixture("kolakowski-flat/robot", 120_000),
  "danis-hall/straight_04": () => fixture("danis-hall/straight_04", 120_000),
  "a simulated office with three people": () => recordMeetings(11, { people: 3, forMs: LENGTH_MS }),
  "a simulated hall with four people": () => recordMeetings(12, { kind: "hall", people: 4, forMs: LENGTH_MS, radio: { wallLossDb: 0 } }),
};

const LENGTH_MS = 75_000;

/** Disturbances of a recording begin before this. Ten seconds later all is in, and the rest shows whether anything is left of them. */
export function disturbedUntilMs(recording: Recording): number {
  return BEGAN_MS + Math.min(45_000, (recording.observations.at(-1) as { atMs: number }).atMs - 15_500);
}

function fixture(name: string, forMs: number): Recording {
  const recording = loadRecording(path.join(import.meta.dirname, "../fixtures/recordings", name));
  return { ...recording, observations: recording.observations.filter(({ atMs }) => atMs < forMs) };
}

/** The recording over a network that brings everything at once. */
export function undisturbed(recording: Recording): Delivery[] {
  return Array.from(messagesOfRecording(recording, { eventId: EVENT, startAtMs: BEGAN_MS }), (message) => ({ message, arrivesAtMs: message.sentAtMs }));
}

/** In report time: the clock is what the reports say. */
export async function playReports(recording: Recording, deliveries: readonly Delivery[], fusion: Partial<FusionConfig> = {}): Promise<Told> {
  const run = begin(recording, "report", () => 0, fusion);
  for (const { message } of inOrderOfArrival(deliveries)) await ingest(run.service, message, message.sentAtMs);
  return run.end();
}

/** On the wall's clock, with the gateways' clocks beside it. `vi.useFakeTimers` first. */
export async function playLive(recording: Recording, deliveries: readonly Delivery[]): Promise<Told> {
  const ordered = inOrderOfArrival(deliveries);
  vi.setSystemTime((ordered[0] as Delivery).arrivesAtMs - 250);
  const run = begin(recording, "wall", () => Date.now());
  for (const { message, arrivesAtMs } of ordered) {
    if (arrivesAtMs > Date.now()) await vi.advanceTimersByTimeAsync(arrivesAtMs - Date.now());
    await ingest(run.service, message, Date.now());
  }
  return run.end();
}

function begin(recording: Recording, time: "wall" | "report", nowMs: () => number, fusion: Partial<FusionConfig> = {}): { service: FusionService; end: () => Promise<Told> } {
  const store = fakeStore();
  const pairs: PairState[] = [];
  const service = openFusionService({ eventId: EVENT, venue: recording.venue, store, nowMs, time, fusion, log: () => {}, onPair: (pair) => pairs.push(pair) });
  const end = async (): Promise<Told> => {
    await service.flush();
    const stats = service.stats();
    await service.close();
    return { positions: store.commits.flatMap(({ batch }) => batch.positions), zones: store.zones(), proximity: store.pairs(), pairs, gateways: store.health(), stats };
  };
  return { service, end };
}

async function ingest(service: FusionService, { topic, payload, gatewayId }: RecordedMessage, receivedAtMs: number): Promise<void> {
  await service.ingest({ topic, payload: new TextEncoder().encode(payload), gatewayId, receivedAtMs });
}

function inOrderOfArrival(deliveries: readonly Delivery[]): Delivery[] {
  return deliveries.map((delivery, i) => ({ delivery, i })).sort((a, b) => a.delivery.arrivesAtMs - b.delivery.arrivesAtMs || a.i - b.i).map(({ delivery }) => delivery);
}

/** The same message with its report changed; what is no report stays as it is. */
export function withReport(message: RecordedMessage, change: (report: BeaconReport) => BeaconReport): RecordedMessage {
  if (message.gatewayId === null) return message;
  return { ...message, payload: JSON.stringify(change(JSON.parse(message.payload) as BeaconReport)) };
}

/** What was told after an instant, as text: equal is equal to the last bit. */
export function after(told: Told, fromMs: number): string[] {
  const late = <T extends { atMs: number }>(list: readonly T[]): T[] => list.filter(({ atMs }) => atMs > fromMs);
  return [...late(told.positions), ...late(told.zones), ...late(told.proximity), ...late(told.pairs)].map((one) => JSON.stringify(one));
}
