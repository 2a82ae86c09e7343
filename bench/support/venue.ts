import { venueMapSchema, type VenueMap } from "@konferenco/protocol";

/** Edge of the venue of all benches. */
export const VENUE_M = 300;

/** 300 × 300 m, `perFloor` square zones on each floor, as rooms beside each other. */
export function benchVenue(floors = 2, perSide = 10): VenueMap {
  const edge = VENUE_M / perSide;
  const zones = Array.from({ length: floors * perSide * perSide }, (_, index) => {
    const floor = Math.floor(index / (perSide * perSide));
    const xM = (index % perSide) * edge;
    const yM = (Math.floor(index / perSide) % perSide) * edge;
    const corners = [[xM, yM], [xM + edge, yM], [xM + edge, yM + edge], [xM, yM + edge]];
    return { zoneId: `zone-${index}`, name: `Zone ${index}`, kind: "room", floor, polygons: [corners] };
  });
  return venueMapSchema.parse({ venueId: "bench", floors: Array.from({ length: floors }, (_, floor) => ({ floor, name: `floor ${floor}` })), zones, gateways: [] });
}

/** The zone of `benchVenue` that holds the point. */
export function zoneAt(xM: number, yM: number, floor: number, perSide = 10): string {
  const edge = VENUE_M / perSide;
  return `zone-${floor * perSide * perSide + Math.min(perSide - 1, Math.floor(yM / edge)) * perSide + Math.min(perSide - 1, Math.floor(xM / edge))}`;
}
