import { depthInRegionM, type FloorPoint, type Region, type Zone, type ZoneId } from "@konferenco/protocol";

/** Where somebody is: the zone as it was decided, and the point if there is a plan to have one on. */
export interface RegionPlace {
  zoneId: ZoneId | null;
  point: FloorPoint | null;
}

export const NOWHERE: RegionPlace = { zoneId: null, point: null };

/** What one viewer holds: the regions that they are in, and those at whose door they stand. Lists, and none for who is nowhere: 40 B. */
export interface RegionState {
  inside: readonly string[];
  crossed: readonly { regionId: string; atMs: number }[];
}

/** A circle is entered this far inside and left this far outside, so that its edge is crossed once. */
const ENTER_MARGIN_M = 0.5;
const EXIT_MARGIN_M = 1.5;
const HOLD_MS = 3_000;

const NONE: readonly never[] = [];

export function newRegionState(): RegionState {
  return { inside: NONE, crossed: NONE };
}

/** Regions entered and left since the last look (requirement B10). Enter and exit of one region alternate; one that is no more is left. */
export function detectRegions(state: RegionState, place: RegionPlace, regions: readonly Region[], nowMs: number): { entered: string[]; left: string[] } {
  const entered: string[] = [];
  const left: string[] = [];
  for (const region of regions) {
    const { regionId } = region;
    const isInside = state.inside.includes(regionId);
    const crossed = state.crossed.find((each) => each.regionId === regionId);
    const asks = asksForOther(region, place, isInside);
    if (asks && crossed === undefined) state.crossed = [...state.crossed, { regionId, atMs: nowMs }];
    if (!asks || nowMs - (crossed?.atMs ?? nowMs) < HOLD_MS) {
      if (!asks && crossed !== undefined) state.crossed = without(state.crossed, crossed);
      continue;
    }
    if (crossed !== undefined) state.crossed = without(state.crossed, crossed);
    state.inside = isInside ? without(state.inside, regionId) : [...state.inside, regionId];
    (isInside ? left : entered).push(regionId);
  }
  const isGone = (regionId: string): boolean => regions.every((region) => region.regionId !== regionId);
  if (state.crossed.some(({ regionId }) => isGone(regionId))) state.crossed = state.crossed.filter(({ regionId }) => !isGone(regionId));
  const gone = state.inside.filter(isGone);
  if (gone.length > 0) state.inside = state.inside.filter((regionId) => !isGone(regionId));
  return { entered, left: gone.length === 0 ? left : [...left, ...gone] };
}

function without<T>(list: readonly T[], gone: T): readonly T[] {
  return list.length === 1 ? NONE : list.filter((each) => each !== gone);
}

/** A region of zones goes by the zone that was decided: that has its own hysteresis, and needs no plan. */
function asksForOther({ area }: Region, { zoneId, point }: RegionPlace, isInside: boolean): boolean {
  if ("zoneIds" in area) return isInside !== isInZones(area.zoneIds, zoneId);
  const depthM = point === null ? -Infinity : depthInRegionM(point, { area }, () => undefined);
  // A circle of half a metre has no inside beyond a margin of half a metre: small ones are entered at their middle third.
  return isInside ? depthM < -EXIT_MARGIN_M : depthM >= Math.min(ENTER_MARGIN_M, area.radiusM / 3);
}

/** To the edge of the region, 0 inside; null where nobody can tell. */
export function distanceToRegionM(region: Region, { zoneId, point }: RegionPlace, zoneOf: (zoneId: string) => Zone | undefined): number | null {
  if ("zoneIds" in region.area && isInZones(region.area.zoneIds, zoneId)) return 0;
  const depthM = point === null ? -Infinity : depthInRegionM(point, region, zoneOf);
  return depthM === -Infinity ? null : Math.max(0, -depthM);
}

function isInZones(zoneIds: readonly ZoneId[], zoneId: ZoneId | null): boolean {
  return zoneId !== null && zoneIds.includes(zoneId);
}
