import type { FixSource, TagId } from "@konferenco/protocol";
import type { SurveyVotes } from "./survey-votes.ts";

/**
 * One location estimate from one technology: what every locateByX returns and the track takes.
 * Whatever makes better ones (a grid filter, a radio map) returns this type and nothing behind it changes.
 */
export interface Fix {
  tagId: TagId;
  atMs: number;
  xM: number;
  yM: number;
  floor: number;
  /** The truth lies within this radius in 95 of 100 cases. */
  accuracy95M: number;
  source: Exclude<FixSource, "fusion">;
  /** How likely each place is, by this technology alone. Null when it says nothing about zones. */
  zoneEvidence: ZoneEvidence | null;
  /** Already filtered over time: the track follows it as it stands, and its evidence is a belief, not one more look. */
  filtered?: boolean;
  /** Of a filter that knows it: how the device goes on between its looks. */
  velocity?: { vxMps: number; vyMps: number };
  /** But its evidence is one more look at the same readings. */
  looksAlike?: boolean;
  /** What the spots of a survey say beside it; null without one. */
  votes?: SurveyVotes | null;
}

/**
 * Probabilities over the places of the venue index, sparse: places that are not named share what is
 * left. Zones are decided from this, never from the polygon that happens to hold a mean point
 * (which lost 10-40 points of room accuracy on a real walk through an office of eight rooms).
 */
export interface ZoneEvidence {
  places: number[];
  probability: number[];
  /** The technology is sure by itself (a check-in at the desk): the verdict need not wait. */
  certain: boolean;
}

/** A circular Gaussian has 95 % of its mass within 2.4477 sigmas (Rayleigh: sqrt(-2 ln 0.05)). */
export const SIGMAS_OF_95 = 2.4477;
