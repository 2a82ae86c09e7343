/**
 * Venue frame to longitude and latitude and back: the only place that knows both. A local tangent
 * plane is exact to millimetres over a venue's size. Metres per degree from WGS 84.
 */
export interface VenueOrigin {
  lat: number;
  lon: number;
  /** How far the venue's y axis is turned from north, clockwise. */
  bearingDeg: number;
}

/** Near null island: for venues with no origin, whose lon/lat nobody looks at but Redis' geo sets. */
export const NO_ORIGIN: VenueOrigin = { lat: 0, lon: 0, bearingDeg: 0 };

function metresPerDegree(latDeg: number): { latM: number; lonM: number } {
  const lat = (latDeg * Math.PI) / 180;
  return {
    latM: 111_132.954 - 559.822 * Math.cos(2 * lat) + 1.175 * Math.cos(4 * lat),
    lonM: 111_412.84 * Math.cos(lat) - 93.5 * Math.cos(3 * lat) + 0.118 * Math.cos(5 * lat),
  };
}

export function lonLatOfVenuePoint(point: { xM: number; yM: number }, origin: VenueOrigin): { lon: number; lat: number } {
  const turn = (origin.bearingDeg * Math.PI) / 180;
  const eastM = point.xM * Math.cos(turn) + point.yM * Math.sin(turn);
  const northM = -point.xM * Math.sin(turn) + point.yM * Math.cos(turn);
  const { latM, lonM } = metresPerDegree(origin.lat);
  return { lon: origin.lon + eastM / lonM, lat: origin.lat + northM / latM };
}

export function venuePointOfLonLat(place: { lon: number; lat: number }, origin: VenueOrigin): { xM: number; yM: number } {
  const turn = (origin.bearingDeg * Math.PI) / 180;
  const { latM, lonM } = metresPerDegree(origin.lat);
  const eastM = (place.lon - origin.lon) * lonM;
  const northM = (place.lat - origin.lat) * latM;
  return { xM: eastM * Math.cos(turn) - northM * Math.sin(turn), yM: eastM * Math.sin(turn) + northM * Math.cos(turn) };
}
