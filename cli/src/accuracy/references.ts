import { MAX_RSSI_DBM, MIN_RSSI_DBM, type TagId } from "@konferenco/protocol";
import type { Recording, RecordedObservation, SurveyedLevel } from "@konferenco/simulators";
import { newBermuda } from "./methods/bermuda.ts";
import { newEspresense } from "./methods/espresense.ts";
import { newKnnSurvey } from "./methods/knn-survey.ts";
import type { Locator, NewLocator } from "./methods/method.ts";
import { newPlainCentroid } from "./methods/plain-centroid.ts";
import { newPlainGrid } from "./methods/plain-grid.ts";
import { newStrongestGateway } from "./methods/strongest-gateway.ts";
import { traceLine, type TraceLine } from "./trace.ts";

/** The methods that ours is measured against, on the same raw observations, as their users run them: no calibration, their own constants. */
export const REFERENCE_METHODS = {
  strongestGateway: { title: "strongest gateway", newLocator: newStrongestGateway },
  plainCentroid: { title: "5 s centroid", newLocator: newPlainCentroid },
  bermuda: { title: "Bermuda", newLocator: newBermuda },
  plainGrid: { title: "plain grid filter", newLocator: newPlainGrid },
  espresense: { title: "ESPresense", newLocator: newEspresense },
  knnSurvey: { title: "kNN, survey", newLocator: newKnnSurvey },
} as const satisfies Record<string, { title: string; newLocator: NewLocator }>;
export type ReferenceMethod = keyof typeof REFERENCE_METHODS;

const STEP_MS = 500;

/** The trace that a reference method would have written, or null when it cannot work here. */
export function referenceTrace(recording: Recording, method: ReferenceMethod, survey: readonly SurveyedLevel[] | null = null): TraceLine[] | null {
  const { venue } = recording;
  const gateways = new Map(venue.gateways.map((gateway) => [gateway.gatewayId, gateway]));
  const newLocator = () => REFERENCE_METHODS[method].newLocator({ venue, gateways, survey });
  if (newLocator() === null) return null;
  const byTag = new Map<TagId, RecordedObservation[]>();
  const links: RecordedObservation[] = [];
  // Strangers who pass are nobody's truth, and may be a hundred thousand.
  const asked = new Set(recording.truth.map(({ tagId }) => tagId));
  for (const observation of recording.observations) {
    if (!gateways.has(observation.gatewayId) || observation.rssiDbm > MAX_RSSI_DBM || observation.rssiDbm < MIN_RSSI_DBM) continue;
    if (observation.tagId.startsWith("gateway:")) {
      links.push(observation);
      continue;
    }
    if (asked.size > 0 && !asked.has(observation.tagId)) continue;
    const observations = byTag.get(observation.tagId);
    if (observations === undefined) byTag.set(observation.tagId, [observation]);
    else observations.push(observation);
  }
  const lines: TraceLine[] = [];
  for (const [tagId, observations] of byTag) {
    const locator = newLocator() as Locator;
    const [firstMs, lastMs] = [observations[0], observations.at(-1)].map((one) => (one as RecordedObservation).atMs) as [number, number];
    let next = 0;
    let nextLink = 0;
    // From the first packet on: times may count from anywhere.
    for (let nowMs = (Math.floor(firstMs / STEP_MS) + 1) * STEP_MS; nowMs <= lastMs; nowMs += STEP_MS) {
      for (; next < observations.length && (observations[next] as RecordedObservation).atMs <= nowMs; next++) locator.hear(observations[next] as RecordedObservation);
      for (; nextLink < links.length && (links[nextLink] as RecordedObservation).atMs <= nowMs; nextLink++) locator.hearLink?.(links[nextLink] as RecordedObservation);
      const place = locator.at(nowMs);
      if (place !== null) lines.push(traceLine({ tagId, ...place, accuracy95M: 0, confidence: 0 }, nowMs));
    }
  }
  return lines.sort((a, b) => a.atMs - b.atMs);
}
