import type { ZoneEvidence } from "./fix.ts";
import { placeAt, type VenueIndex } from "./venue-index.ts";

export function addMass(evidence: ZoneEvidence, place: number, mass: number): void {
  const i = evidence.places.indexOf(place);
  if (i === -1) {
    evidence.places.push(place);
    evidence.probability.push(mass);
  } else {
    evidence.probability[i] = (evidence.probability[i] as number) + mass;
  }
}

/** Deals a mass out to the places under a circular Gaussian. The floor must be drawn. */
export function addGaussian(evidence: ZoneEvidence, at: { xM: number; yM: number; floor: number; sigmaM: number }, mass: number, venue: VenueIndex): void {
  for (const [sigmasX, sigmasY] of GAUSSIAN_POINTS) {
    addMass(evidence, placeAt(venue, at.xM + sigmasX * at.sigmaM, at.yM + sigmasY * at.sigmaM, at.floor), mass / GAUSSIAN_POINTS.length);
  }
}

/** 32 points of equal mass of a circular Gaussian, in sigmas: four rings at the middle of its quartiles, turned against each other. */
const GAUSSIAN_POINTS: readonly (readonly [number, number])[] = [0.125, 0.375, 0.625, 0.875].flatMap((quantile, ring) =>
  Array.from({ length: 8 }, (_, i) => {
    const sigmas = Math.sqrt(-2 * Math.log(1 - quantile));
    const angle = ((i + ring / 4) * Math.PI) / 4;
    return [sigmas * Math.cos(angle), sigmas * Math.sin(angle)] as const;
  }),
);
