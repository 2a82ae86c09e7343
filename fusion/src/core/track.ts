import type { Activity, FixSource, Position, TagId } from "@konferenco/protocol";
import { SIGMAS_OF_95, type Fix } from "./fix.ts";
import type { FusionConfig } from "./fusion-config.ts";

/**
 * The motion of one tag: a Kalman filter over place and velocity. Both axes have the same motion and
 * measurement noise, so they share one covariance of place and velocity: three numbers.
 */
export interface Track {
  atMs: number;
  xM: number;
  yM: number;
  vxMps: number;
  vyMps: number;
  placeVarianceM2: number;
  placeVelocityM2ps: number;
  velocityVarianceM2ps2: number;
  /** What the fixes share and no averaging removes: the bias of their method, as a 95 % radius. */
  bias95M: number;
  /** Technologies and when each last gave a fix; one or two, so a list. */
  sources: { source: Fix["source"]; atMs: number }[];
  /** Since when fixes are held back as outliers, or null. */
  heldBackSinceMs: number | null;
}

export function newTrack(fix: Fix, nowMs: number, config: FusionConfig): Track {
  const sigmaM = fix.accuracy95M / SIGMAS_OF_95;
  return {
    atMs: nowMs,
    xM: fix.xM,
    yM: fix.yM,
    vxMps: 0,
    vyMps: 0,
    placeVarianceM2: sigmaM ** 2,
    placeVelocityM2ps: 0,
    velocityVarianceM2ps2: config.speedSigmaMps ** 2,
    bias95M: biasOf(fix),
    sources: [{ source: fix.source, atMs: nowMs }],
    heldBackSinceMs: null,
  };
}

/** The track of a position that an earlier process stored. */
export function trackOfPosition(position: Position, config: FusionConfig): Track {
  const source = position.source === "fusion" ? "beacon" : position.source;
  const track = newTrack({ ...position, source, zoneEvidence: null }, position.atMs, config);
  return { ...track, vxMps: position.vxMps, vyMps: position.vyMps };
}

/**
 * Time passes: constant velocity that is slowly forgotten (an Ornstein-Uhlenbeck velocity), so that
 * a tag that falls silent coasts a few metres and not out of the building, while its accuracy grows
 * by the walk that it may have taken.
 */
export function advanceTrack(track: Track, nowMs: number, config: FusionConfig): void {
  const dtS = (nowMs - track.atMs) / 1_000;
  if (dtS <= 0) return;
  const memoryS = config.velocityMemoryMs / 1_000;
  const keep = Math.exp(-dtS / memoryS);
  const reachS = memoryS * (1 - keep);
  track.xM += track.vxMps * reachS;
  track.yM += track.vyMps * reachS;
  track.vxMps *= keep;
  track.vyMps *= keep;
  // Exact discretisation of the Ornstein-Uhlenbeck velocity with stationary spread speedSigmaMps.
  const speed2 = config.speedSigmaMps ** 2;
  const noiseVelocity = speed2 * (1 - keep * keep);
  const noiseCross = speed2 * memoryS * (1 - keep) ** 2;
  const noisePlace = speed2 * memoryS * (2 * dtS - memoryS * (3 - 4 * keep + keep * keep));
  const place = track.placeVarianceM2;
  const cross = track.placeVelocityM2ps;
  const velocity = track.velocityVarianceM2ps2;
  track.placeVarianceM2 = place + 2 * reachS * cross + reachS * reachS * velocity + Math.max(0, noisePlace);
  track.placeVelocityM2ps = keep * (cross + reachS * velocity) + noiseCross;
  track.velocityVarianceM2ps2 = keep * keep * velocity + noiseVelocity;
  track.atMs = nowMs;
}

/**
 * A fix into the track. One that lies impossibly far is held back: readings of one window are shared
 * by ten fixes, so only what still holds when most of the window is new is believed, and the track
 * begins anew there. A check-in is believed at once: somebody stood at the desk.
 */
export function updateTrack(track: Track, fix: Fix, nowMs: number, config: FusionConfig): void {
  const sigmaM = fix.accuracy95M / SIGMAS_OF_95;
  const dxM = fix.xM - track.xM;
  const dyM = fix.yM - track.yM;
  const spreadM = Math.sqrt(track.placeVarianceM2 + sigmaM ** 2);
  if (Math.hypot(dxM, dyM) > config.fixOutlierSigmas * spreadM) {
    track.heldBackSinceMs ??= nowMs;
    const stands = fix.source !== "beacon" || nowMs - track.heldBackSinceMs >= config.fixOutlierHoldMs;
    if (!stands) return;
    const { sources } = track;
    Object.assign(track, newTrack(fix, nowMs, config), { sources });
    noteSource(track, fix, nowMs);
    return;
  }
  track.heldBackSinceMs = null;
  const noiseM2 = sigmaM ** 2 * noiseShareOf(track, fix, nowMs, config);
  const innovationM2 = track.placeVarianceM2 + noiseM2;
  const placeGain = track.placeVarianceM2 / innovationM2;
  const velocityGain = track.placeVelocityM2ps / innovationM2;
  track.xM += placeGain * dxM;
  track.yM += placeGain * dyM;
  track.vxMps += velocityGain * dxM;
  track.vyMps += velocityGain * dyM;
  track.velocityVarianceM2ps2 -= velocityGain * track.placeVelocityM2ps;
  track.placeVelocityM2ps *= 1 - placeGain;
  track.placeVarianceM2 *= 1 - placeGain;
  track.bias95M += placeGain * (biasOf(fix) - track.bias95M);
  noteSource(track, fix, nowMs);
}

/**
 * How much of a fix's variance the next fix shares no more. Consecutive fixes of one window are nearly the same measurement:
 * each counts as a share of one. A GPS receiver errs alike from fix to fix, so where nothing else speaks it is followed
 * rather than averaged; against others all of its error counts, also between two scans of a phone.
 */
function noiseShareOf(track: Track, { source }: Fix, nowMs: number, config: FusionConfig): number {
  if (source === "beacon") return config.fixCorrelation;
  return source === "gps" && isLocatedOnlyBy(track, "gps", config.forgetAfterMs, nowMs) ? 1 - GPS_BIAS_SHARE ** 2 : 1;
}

function noteSource(track: Track, { source }: Fix, nowMs: number): void {
  const known = track.sources.find((one) => one.source === source);
  if (known === undefined) track.sources.push({ source, atMs: nowMs });
  else known.atMs = nowMs;
}

/**
 * A fix that is filtered already is the position. Velocity is its way of late, smoothed over the memory
 * of a second and a half.
 */
export function followFix(track: Track, fix: Fix, elapsedMs: number, nowMs: number): void {
  const elapsedS = elapsedMs / 1_000;
  if (fix.velocity !== undefined) Object.assign(track, fix.velocity);
  else if (elapsedS > 0) {
    const share = 1 - Math.exp(-elapsedS / FOLLOWED_VELOCITY_S);
    track.vxMps += share * ((fix.xM - track.xM) / elapsedS - track.vxMps);
    track.vyMps += share * ((fix.yM - track.yM) / elapsedS - track.vyMps);
  }
  const sigmaM = fix.accuracy95M / SIGMAS_OF_95;
  track.atMs = nowMs;
  track.xM = fix.xM;
  track.yM = fix.yM;
  // All of it in the bias: nothing of a filtered fix averages out.
  track.placeVarianceM2 = (1 - BIAS_SHARE ** 2) * sigmaM ** 2;
  track.placeVelocityM2ps = 0;
  track.bias95M = BIAS_SHARE * fix.accuracy95M;
  track.heldBackSinceMs = null;
  noteSource(track, fix, nowMs);
}

const FOLLOWED_VELOCITY_S = 1.5;

/** Radio fixes err alike for as long as a person stands there, and GPS while its satellites do: their bias is most of their error. A check-in has none. */
function biasOf({ source, accuracy95M }: Fix): number {
  if (source === "check-in") return 0;
  return (source === "gps" ? GPS_BIAS_SHARE : BIAS_SHARE) * accuracy95M;
}

const BIAS_SHARE = 0.9;
const GPS_BIAS_SHARE = 0.85;

/** The radius that holds the truth in 95 of 100 cases: what the filter does not know and what its fixes share. */
export function accuracy95MOf(track: Track): number {
  return Math.hypot(SIGMAS_OF_95 * Math.sqrt(track.placeVarianceM2), track.bias95M);
}

/** Whether nothing but this technology has located the tag for so long. */
export function isLocatedOnlyBy(track: Track, source: Fix["source"], withinMs: number, nowMs: number): boolean {
  return track.sources.every((one) => one.source === source || nowMs - one.atMs > withinMs);
}

/** The technology of the last while; more than one is `fusion`. */
export function sourceOf(track: Track, nowMs: number, config: FusionConfig): FixSource {
  let lately = 0;
  for (const { atMs } of track.sources) if (nowMs - atMs <= config.windowMs) lately++;
  return lately > 1 ? "fusion" : track.sources.reduce((latest, one) => (one.atMs > latest.atMs ? one : latest)).source;
}

/** The track as a position, with the place verdict beside it. */
export function positionOf(track: Track, tagId: TagId, verdict: { zoneId: string | null; floor: number; confidence: number; activity: Activity | null }, config: FusionConfig): Position {
  const position: Position = {
    tagId,
    atMs: track.atMs,
    xM: track.xM,
    yM: track.yM,
    floor: verdict.floor,
    vxMps: track.vxMps,
    vyMps: track.vyMps,
    accuracy95M: accuracy95MOf(track),
    confidence: verdict.confidence,
    source: sourceOf(track, track.atMs, config),
    zoneId: verdict.zoneId,
  };
  if (verdict.activity !== null) position.activity = verdict.activity;
  return position;
}
