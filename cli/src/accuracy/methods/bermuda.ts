import type { Gateway } from "@konferenco/protocol";
import type { NewLocator } from "./method.ts";

/**
 * Bermuda (agittins/bermuda, Home Assistant), re-implemented from its constants: distance by the
 * log law, "the closest reading is the truest", and a challenger takes over when its worst is better
 * than the incumbent's best. The tag is said to be at the scanner, in the scanner's area.
 */
const REF_DBM = -55;
const EXPONENT = 3;
const CYCLE_MS = 1_050;
/** A reading that moves away faster than this is noise and is left out. */
const MAX_AWAY_MPS = 3;
const SMOOTHING_SAMPLES = 20;
const MAX_RADIUS_M = 20;
const CHALLENGER_FRESH_MS = 10_000;
const ADVERT_TIMEOUT_MS = 30_000;
const COMPARED = 5;
/** Worst against best needs this lead and more than three samples… */
const LEAD_WITH_HISTORY = 0.15;
const MIN_HISTORY = 3;
/** …this much wins outright. */
const LEAD_OUTRIGHT = 0.3;

interface Advert {
  gateway: Gateway;
  /** The last raw reading and when: a cycle takes the newest. */
  rawM: number;
  heardAtMs: number;
  takenAtMs: number;
  /** Newest first. */
  rawHistoryM: { distanceM: number; atMs: number }[];
  smoothedM: number | null;
  smoothedHistoryM: number[];
}

export const newBermuda: NewLocator = ({ gateways }) => {
  const adverts = new Map<string, Advert>();
  let incumbent: Advert | null = null;
  let cycledAtMs = -Infinity;

  function cycle(nowMs: number): void {
    for (const [gatewayId, advert] of adverts) {
      if (nowMs - advert.heardAtMs > ADVERT_TIMEOUT_MS) adverts.delete(gatewayId);
      else if (advert.heardAtMs > advert.takenAtMs) take(advert);
    }
    if (incumbent !== null && !adverts.has(incumbent.gateway.gatewayId)) incumbent = null;
    for (const challenger of adverts.values()) if (winsOver(challenger, incumbent, nowMs)) incumbent = challenger;
  }

  return {
    hear({ gatewayId, rssiDbm, atMs }) {
      const rawM = 10 ** ((REF_DBM - rssiDbm) / (10 * EXPONENT));
      const advert = adverts.get(gatewayId);
      if (advert === undefined) {
        adverts.set(gatewayId, { gateway: gateways.get(gatewayId) as Gateway, rawM, heardAtMs: atMs, takenAtMs: -Infinity, rawHistoryM: [], smoothedM: null, smoothedHistoryM: [] });
      } else {
        advert.rawM = rawM;
        advert.heardAtMs = atMs;
      }
    },
    at(nowMs) {
      if (nowMs - cycledAtMs >= CYCLE_MS - 500) {
        cycledAtMs = nowMs;
        cycle(nowMs);
      }
      if (incumbent === null) return null;
      const { xM, yM, floor, zoneId } = incumbent.gateway;
      return { xM, yM, floor, zoneId };
    },
  };
};

/** One reading a cycle into the min-hugging mean: from the newest back, each is at most the least so far. */
function take(advert: Advert): void {
  const before = advert.rawHistoryM[0];
  advert.takenAtMs = advert.heardAtMs;
  const elapsedS = before === undefined ? Infinity : (advert.heardAtMs - before.atMs) / 1_000;
  if (before !== undefined && (advert.rawM - before.distanceM) / Math.max(0.1, elapsedS) > MAX_AWAY_MPS) return;
  advert.rawHistoryM.unshift({ distanceM: advert.rawM, atMs: advert.heardAtMs });
  advert.rawHistoryM.length = Math.min(advert.rawHistoryM.length, SMOOTHING_SAMPLES);
  let least = Infinity;
  let sum = 0;
  for (const { distanceM } of advert.rawHistoryM) {
    least = Math.min(least, distanceM);
    sum += least;
  }
  // The newest reading is the truth when it is nearer than the mean.
  advert.smoothedM = Math.min(advert.rawM, sum / advert.rawHistoryM.length);
  advert.smoothedHistoryM.unshift(advert.smoothedM);
  advert.smoothedHistoryM.length = Math.min(advert.smoothedHistoryM.length, COMPARED);
}

function winsOver(challenger: Advert, incumbent: Advert | null, nowMs: number): boolean {
  if (challenger === incumbent || challenger.smoothedM === null || challenger.smoothedM > MAX_RADIUS_M) return false;
  if (nowMs - challenger.heardAtMs > CHALLENGER_FRESH_MS) return false;
  if (incumbent === null || incumbent.smoothedM === null || nowMs - incumbent.heardAtMs > CHALLENGER_FRESH_MS) return true;
  if (challenger.smoothedM >= incumbent.smoothedM) return false;
  const lead = (incumbent.smoothedM - challenger.smoothedM) / ((incumbent.smoothedM + challenger.smoothedM) / 2);
  if (lead >= LEAD_OUTRIGHT) return true;
  return (
    challenger.smoothedHistoryM.length > MIN_HISTORY &&
    lead > LEAD_WITH_HISTORY &&
    Math.max(...challenger.smoothedHistoryM) < Math.min(...incumbent.smoothedHistoryM)
  );
}
