import type { GatewayHealth, GatewayId, GatewayStatus, VenueMap } from "@konferenco/protocol";

/** Status messages come every 15 s: three missed and a bit. */
const OFFLINE_AFTER_MS = 50_000;
/** A gateway in an empty hall still hears its neighbours' own transmitters; nothing at all for this long means a deaf radio. */
const SILENT_AFTER_MS = 15_000;
/** Rates and times of healthy gateways are told again this often. */
const RETELL_MS = 10_000;

interface Watched {
  lastSignAtMs: number | null;
  lastReportAtMs: number | null;
  saidOffline: boolean;
  observations: number;
  observationsSinceMs: number;
  told: GatewayHealth | null;
}

/** What fusion knows of its gateways' health, from reports, status messages and last wills. Knows the map's gateways only. */
export interface GatewayWatch {
  noteReport(gatewayId: GatewayId, observations: number, nowMs: number): void;
  noteStatus(status: GatewayStatus, nowMs: number): void;
  /** What changed since it was last told, or is due again. */
  changes(nowMs: number, known: (gatewayId: GatewayId) => Pick<GatewayHealth, "clockOffsetMs" | "calibration">): GatewayHealth[];
  counts(): { online: number; silent: number; offline: number };
}

export function newGatewayWatch(venue: VenueMap, nowMs: number): GatewayWatch {
  const gateways = new Map<GatewayId, Watched>(
    venue.gateways.map(({ gatewayId }) => [
      gatewayId,
      { lastSignAtMs: null, lastReportAtMs: null, saidOffline: false, observations: 0, observationsSinceMs: nowMs, told: null },
    ]),
  );
  return {
    noteReport(gatewayId, observations, atMs) {
      const gateway = gateways.get(gatewayId);
      if (gateway === undefined) return;
      gateway.lastSignAtMs = atMs;
      gateway.saidOffline = false;
      if (observations === 0) return;
      gateway.lastReportAtMs = atMs;
      gateway.observations += observations;
    },

    noteStatus(status, atMs) {
      const gateway = gateways.get(status.gatewayId);
      if (gateway === undefined) return;
      gateway.saidOffline = !status.online;
      if (status.online) gateway.lastSignAtMs = atMs;
    },

    changes(atMs, known) {
      const changed: GatewayHealth[] = [];
      for (const [gatewayId, gateway] of gateways) {
        const state = stateOf(gateway, atMs);
        const dueAgain = gateway.told !== null && state === "online" && atMs - gateway.told.atMs >= RETELL_MS;
        if (gateway.told?.state === state && !dueAgain) continue;
        const elapsedS = (atMs - gateway.observationsSinceMs) / 1_000;
        gateway.told = {
          gatewayId,
          state,
          atMs,
          lastReportAtMs: gateway.lastReportAtMs,
          observationsPerS: elapsedS > 0 ? Math.round((10 * gateway.observations) / elapsedS) / 10 : 0,
          ...known(gatewayId),
        };
        gateway.observations = 0;
        gateway.observationsSinceMs = atMs;
        changed.push(gateway.told);
      }
      return changed;
    },

    counts() {
      const counts = { online: 0, silent: 0, offline: 0 };
      for (const gateway of gateways.values()) counts[gateway.told?.state ?? "offline"]++;
      return counts;
    },
  };
}

function stateOf(gateway: Watched, nowMs: number): GatewayHealth["state"] {
  if (gateway.saidOffline || gateway.lastSignAtMs === null || nowMs - gateway.lastSignAtMs > OFFLINE_AFTER_MS) return "offline";
  if (gateway.lastReportAtMs === null || nowMs - gateway.lastReportAtMs > SILENT_AFTER_MS) return "silent";
  return "online";
}
