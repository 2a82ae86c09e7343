import type { VenueMap } from "@konferenco/protocol";

/** A box for each zone, in metres that mean nothing. */
const BOX = { widthM: 10, heightM: 7, gapM: 1.5 } as const;

/** As `hasPlaces` of the protocol, which would bring its schema library to the page. True where nobody has drawn anything and all gateways stand in one point: zones are known there, and spots are not. */
export function isUndrawn({ zones, gateways }: VenueMap): boolean {
  const [first, ...others] = gateways;
  return zones.every(({ polygons }) => polygons.length === 0) && others.every(({ xM, yM }) => xM === first?.xM && yM === first.yM);
}

/** The venue as the map draws it: one that is undrawn as boxes side by side, floor by floor, with their gateways in them. */
export function asDrawn(venue: VenueMap): VenueMap {
  if (!isUndrawn(venue)) return venue;
  const corners = new Map<string, readonly [number, number]>();
  for (const { floor } of venue.floors) {
    const here = venue.zones.filter((zone) => zone.floor === floor);
    const columns = Math.ceil(Math.sqrt(here.length));
    // From the top left, as one reads.
    here.forEach(({ zoneId }, i) => corners.set(zoneId, [(i % columns) * (BOX.widthM + BOX.gapM), -Math.floor(i / columns) * (BOX.heightM + BOX.gapM)]));
  }
  const used = new Map<string, number>();
  return {
    ...venue,
    zones: venue.zones.map((zone) => {
      const [xM, yM] = corners.get(zone.zoneId) ?? [0, 0];
      return { ...zone, polygons: [[[xM, yM], [xM + BOX.widthM, yM], [xM + BOX.widthM, yM + BOX.heightM], [xM, yM + BOX.heightM]]] };
    }),
    gateways: venue.gateways.map((gateway) => {
      const [xM, yM] = corners.get(gateway.zoneId) ?? [0, 0];
      const before = used.get(gateway.zoneId) ?? 0;
      used.set(gateway.zoneId, before + 1);
      return { ...gateway, xM: xM + 1 + (before % (BOX.widthM - 1)), yM: yM + 1 };
    }),
  };
}
