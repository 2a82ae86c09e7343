import { depthInRegionM, type FloorPoint, type Region, type TagId, type VenueMap, type Zone } from "@konferenco/protocol";

/** Regions entered and left (requirement B10), by position. Enter and exit of one tag and region alternate. */
export interface RegionTransition {
  transition: "enter" | "exit";
  tagId: TagId;
  regionId: string;
  channelId: string | null;
  /** Whoever enters joins the channel unasked. */
  autoJoin: boolean;
  atMs: number;
}

/** What one tag holds: the regions that it is in, and those at whose door it stands. 100 B each. */
export interface RegionState {
  inside: Set<string>;
  crossedAtMs: Map<string, number>;
}

/** A region is entered this far inside and left this far outside, so that its edge is crossed once. */
const ENTER_MARGIN_M = 0.5;
const EXIT_MARGIN_M = 1.5;
const HOLD_MS = 3_000;

export function newRegionState(): RegionState {
  return { inside: new Set(), crossedAtMs: new Map() };
}

export interface RegionIndex {
  regions: readonly Region[];
  zoneOf: (zoneId: string) => Zone | undefined;
}

export function indexRegions(venue: VenueMap, regions: readonly Region[]): RegionIndex {
  const zones = new Map(venue.zones.map((zone) => [zone.zoneId, zone]));
  return { regions, zoneOf: (zoneId) => zones.get(zoneId) };
}

export function detectRegions(state: RegionState, tagId: TagId, point: FloorPoint, index: RegionIndex, nowMs: number): RegionTransition[] {
  const transitions: RegionTransition[] = [];
  for (const region of index.regions) {
    const { regionId } = region;
    const depthM = depthInRegionM(point, region, index.zoneOf);
    const isInside = state.inside.has(regionId);
    const asksForOther = isInside ? depthM < -EXIT_MARGIN_M : depthM >= enterMarginM(region);
    if (!asksForOther) {
      state.crossedAtMs.delete(regionId);
      continue;
    }
    const crossedAtMs = state.crossedAtMs.get(regionId) ?? nowMs;
    state.crossedAtMs.set(regionId, crossedAtMs);
    if (nowMs - crossedAtMs < HOLD_MS) continue;
    state.crossedAtMs.delete(regionId);
    if (isInside) state.inside.delete(regionId);
    else state.inside.add(regionId);
    transitions.push(transitionOf(isInside ? "exit" : "enter", tagId, region, nowMs));
  }
  return transitions;
}

/** The tag is gone: it leaves every region. */
export function leaveRegions(state: RegionState, tagId: TagId, index: RegionIndex, nowMs: number): RegionTransition[] {
  const left = index.regions.filter((region) => state.inside.has(region.regionId)).map((region) => transitionOf("exit", tagId, region, nowMs));
  state.inside.clear();
  state.crossedAtMs.clear();
  return left;
}

/** A circle of half a metre has no inside beyond a margin of half a metre: small ones are entered at their middle third. */
function enterMarginM({ area }: Region): number {
  return "radiusM" in area ? Math.min(ENTER_MARGIN_M, area.radiusM / 3) : ENTER_MARGIN_M;
}

function transitionOf(transition: RegionTransition["transition"], tagId: TagId, region: Region, atMs: number): RegionTransition {
  return { transition, tagId, regionId: region.regionId, channelId: region.channelId, autoJoin: region.autoJoin, atMs };
}
