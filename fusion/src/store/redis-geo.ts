import { lonLatOfVenuePoint, type VenueOrigin } from "@konferenco/protocol";

/** Redis' geo sets end at 85.05°; a venue (100 km around its origin) must fit below. Nobody holds a fair further north. */
const MAX_LAT_DEG = 84;

/** Redis measures on a sphere (geohash_helper.c, EARTH_RADIUS_IN_METERS). */
const REDIS_EARTH_RADIUS_M = 6_372_797.560856;
const SPHERE_M_PER_DEGREE = (REDIS_EARTH_RADIUS_M * Math.PI) / 180;

/** Where a venue's geo sets lie: the venue's own place, except at the poles. */
export function geoOriginOf(origin: VenueOrigin): VenueOrigin {
  return { ...origin, lat: Math.max(-MAX_LAT_DEG, Math.min(MAX_LAT_DEG, origin.lat)) };
}

export function geoPlaceOf(point: { xM: number; yM: number }, origin: VenueOrigin): { lon: number; lat: number } {
  const { lon, lat } = lonLatOfVenuePoint(point, origin);
  return { lon: ((((lon + 180) % 360) + 360) % 360) - 180, lat };
}

/**
 * Between which factors Redis' distances and ours differ around a point. Ours are on the plane that
 * touches the ellipsoid at the origin, theirs on a sphere: at the origin 0.6 % at most, 100 km from
 * it more, because the meridians draw together.
 */
export function geoScalesAround(point: { xM: number; yM: number }, radiusM: number, origin: VenueOrigin): { least: number; greatest: number } {
  const east = lonLatOfVenuePoint({ xM: Math.cos(radians(origin.bearingDeg)), yM: Math.sin(radians(origin.bearingDeg)) }, origin);
  const north = lonLatOfVenuePoint({ xM: -Math.sin(radians(origin.bearingDeg)), yM: Math.cos(radians(origin.bearingDeg)) }, origin);
  const lonDegreesPerM = Math.hypot(east.lon - origin.lon, (east.lat - origin.lat));
  const latDegreesPerM = Math.hypot(north.lat - origin.lat, (north.lon - origin.lon));
  const { lat } = lonLatOfVenuePoint(point, origin);
  const reachDeg = radiusM * latDegreesPerM;
  const scales = [
    latDegreesPerM * SPHERE_M_PER_DEGREE,
    lonDegreesPerM * SPHERE_M_PER_DEGREE * Math.cos(radians(Math.min(90, Math.abs(lat) + reachDeg))),
    lonDegreesPerM * SPHERE_M_PER_DEGREE * Math.cos(radians(Math.max(0, Math.abs(lat) - reachDeg))),
  ];
  // A thousandth to spare for the curvature within the radius.
  return { least: Math.min(...scales) * 0.999, greatest: Math.max(...scales) * 1.001 };
}

function radians(deg: number): number {
  return (deg * Math.PI) / 180;
}
