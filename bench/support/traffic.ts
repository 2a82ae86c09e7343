import type { GatewayHealth, Position, ZoneTransition } from "@konferenco/protocol";
import { emptyBatch, type Store } from "@konferenco/fusion";
import { clockMs } from "./child.ts";
import { newDice } from "./quantile.ts";
import { VENUE_M, zoneAt } from "./venue.ts";

export interface TrafficRequest {
  seed: number;
  /** Tags t0, t1 … of this many people. */
  people: number;
  ms: number;
  transitionsPerS?: number;
  positionsPerS?: number;
  alertsPerS?: number;
  /** All that falls into this time is committed at once. */
  stepMs?: number;
  floors?: number;
}

export function tagName(index: number): string {
  return `t${index}`;
}

/** A walk's beginning: everybody somewhere, uniformly. */
export function somewhere(index: number, dice: () => number, floors = 2): Position {
  const xM = Math.round(dice() * VENUE_M * 100) / 100;
  const yM = Math.round(dice() * VENUE_M * 100) / 100;
  const floor = index % floors;
  return { tagId: tagName(index), atMs: clockMs(), xM, yM, floor, vxMps: 0, vyMps: 0, accuracy95M: 2, confidence: 0.8, source: "beacon", zoneId: zoneAt(xM, yM, floor) };
}

/** Commits as fusion would, stamped with the moment of the commit in fractions of a millisecond. */
export async function runTraffic(store: Store, request: TrafficRequest): Promise<{ transitions: number; positions: number; alerts: number; alertAtMs: number[] }> {
  const { seed, people, ms, transitionsPerS = 0, positionsPerS = 0, alertsPerS = 0, stepMs = 20, floors = 2 } = request;
  const dice = newDice(seed);
  const begunMs = clockMs();
  const done = { transitions: 0, positions: 0, alerts: 0, alertAtMs: [] as number[] };
  const pending = new Set<Promise<unknown>>();
  const due = (perS: number, elapsedMs: number) => Math.floor((perS * elapsedMs) / 1_000);
  for (;;) {
    const elapsedMs = Math.min(ms, clockMs() - begunMs);
    const batch = emptyBatch();
    const atMs = clockMs();
    while (done.transitions < due(transitionsPerS, elapsedMs)) {
      const index = Math.floor(dice() * people);
      batch.zoneTransitions.push(transition(index, done.transitions++, atMs));
    }
    while (done.positions < due(positionsPerS, elapsedMs)) {
      batch.positions.push({ ...somewhere(done.positions % people, dice, floors), atMs });
      done.positions++;
    }
    while (done.alerts < due(alertsPerS, elapsedMs)) {
      batch.alerts.push({ alertId: `alert-${seed}-${done.alerts++}`, severity: "warning", title: "Doors", text: "The doors close in ten minutes", zoneIds: [], atMs });
      done.alertAtMs.push(atMs);
    }
    if (batch.zoneTransitions.length + batch.positions.length + batch.alerts.length > 0) {
      const commit = store.commit(batch, Date.now());
      pending.add(commit);
      void commit.finally(() => pending.delete(commit));
    }
    if (elapsedMs >= ms) break;
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
  await Promise.all(pending);
  return done;
}

function transition(index: number, turn: number, atMs: number): ZoneTransition {
  return { transition: turn % 2 === 0 ? "enter" : "exit", tagId: tagName(index), zoneId: `zone-${index % 100}`, floor: 0, atMs, confidence: 0.9 };
}

export function gatewayAt(atMs: number): GatewayHealth {
  return { gatewayId: "gw-1", state: "online", atMs, lastReportAtMs: atMs, observationsPerS: 10, clockOffsetMs: 0 };
}
