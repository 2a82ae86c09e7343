import { z } from "zod";
import { ConfigError } from "./errors.ts";
import { lonLatOfVenuePoint, NO_ORIGIN, venuePointOfLonLat } from "./geo.ts";
import { venueMapSchema, type VenueMap, type Zone } from "./venue.ts";

/**
 * The venue map as GeoJSON (RFC 7946) and back, so that it can be drawn and mended in QGIS or geojson.io.
 * Zones are polygons, gateways points, walls lines; what GeoJSON has no word for stands in the
 * member "konferenco", which other programs keep or lose: without it the rest still reads.
 */
export interface VenueGeoJson {
  type: "FeatureCollection";
  features: GeoJsonFeature[];
  konferenco?: unknown;
}

export interface GeoJsonFeature {
  type: "Feature";
  geometry: Geometry | null;
  properties: Record<string, unknown>;
}

type Coordinate = [number, number];
type Geometry =
  | { type: "Point"; coordinates: Coordinate }
  | { type: "LineString"; coordinates: Coordinate[] }
  | { type: "MultiLineString"; coordinates: Coordinate[][] }
  | { type: "Polygon"; coordinates: Coordinate[][] }
  | { type: "MultiPolygon"; coordinates: Coordinate[][][] };

/** 1e-9 degrees are 0.1 mm. */
const DECIMALS = 9;

export function venueToGeoJson(venue: VenueMap): VenueGeoJson {
  const origin = venue.origin ?? NO_ORIGIN;
  const at = (xM: number, yM: number): Coordinate => {
    const { lon, lat } = lonLatOfVenuePoint({ xM, yM }, origin);
    return [round(lon), round(lat)];
  };
  const { venueId, name, direction, floors, tags, notes } = venue;
  return {
    type: "FeatureCollection",
    features: [
      ...venue.zones.map((zone): GeoJsonFeature => ({ type: "Feature", geometry: zoneGeometry(zone, at), properties: { feature: "zone", zoneId: zone.zoneId, name: zone.name, kind: zone.kind, floor: zone.floor } })),
      ...venue.gateways.map(({ xM, yM, ...gateway }): GeoJsonFeature => ({ type: "Feature", geometry: { type: "Point", coordinates: at(xM, yM) }, properties: { feature: "gateway", ...gateway } })),
      ...venue.walls.map(
        ([x0M, y0M, x1M, y1M, floor]): GeoJsonFeature => ({
          type: "Feature",
          geometry: { type: "LineString", coordinates: [at(x0M, y0M), at(x1M, y1M)] },
          properties: { feature: "wall", ...(floor === undefined ? {} : { floor }) },
        }),
      ),
    ],
    konferenco: {
      v: 1,
      venueId,
      ...(name === undefined ? {} : { name }),
      direction,
      // Without an origin the map lies at null island, which is no place of its own.
      origin: venue.origin ?? null,
      floors,
      tags,
      ...(notes === undefined ? {} : { notes }),
    },
  };
}

function zoneGeometry(zone: Zone, at: (xM: number, yM: number) => Coordinate): Geometry | null {
  const rings = zone.polygons.map((polygon) => [closed(anticlockwise(polygon).map(([xM, yM]) => at(xM, yM)))]);
  if (rings.length === 0) return null;
  return rings.length === 1 ? { type: "Polygon", coordinates: rings[0] as Coordinate[][] } : { type: "MultiPolygon", coordinates: rings };
}

/** RFC 7946 3.1.6: outer rings run anticlockwise. */
function anticlockwise(polygon: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  return doubleArea(polygon) < 0 ? [...polygon].reverse() : [...polygon];
}

function doubleArea(ring: readonly (readonly [number, number])[]): number {
  return ring.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length] as readonly [number, number];
    return sum + x * nextY - nextX * y;
  }, 0);
}

function closed(ring: Coordinate[]): Coordinate[] {
  return ring.length === 0 ? ring : [...ring, ring[0] as Coordinate];
}

// ---- back

const coordinate = z.array(z.number().finite()).min(2);
const geometry = z
  .union(
    [
      z.object({ type: z.literal("Point"), coordinates: coordinate }),
      z.object({ type: z.literal("LineString"), coordinates: z.array(coordinate).min(2) }),
      z.object({ type: z.literal("MultiLineString"), coordinates: z.array(z.array(coordinate).min(2)) }),
      z.object({ type: z.literal("Polygon"), coordinates: z.array(z.array(coordinate)).min(1) }),
      z.object({ type: z.literal("MultiPolygon"), coordinates: z.array(z.array(z.array(coordinate)).min(1)) }),
    ],
    "is no Point, LineString, MultiLineString, Polygon or MultiPolygon: draw it as one of these, or leave it out",
  )
  .nullable();
const geoJsonSchema = z.object({
  type: z.literal("FeatureCollection"),
  features: z.array(z.object({ type: z.literal("Feature"), id: z.union([z.string(), z.number()]).optional(), geometry, properties: z.record(z.string(), z.unknown()).nullable() })).max(30_000),
  konferenco: z
    .object({
      v: z.literal(1),
      venueId: z.string(),
      name: z.string().optional(),
      direction: z.string().optional(),
      origin: z.object({ lat: z.number(), lon: z.number(), bearingDeg: z.number() }).nullable().optional(),
      floors: z.array(z.object({ floor: z.number(), name: z.string() })).optional(),
      tags: z.array(z.unknown()).optional(),
      notes: z.string().optional(),
    })
    .optional(),
});
type Read = z.infer<typeof geoJsonSchema>;
type ReadFeature = Read["features"][number];

/**
 * Reads a venue from GeoJSON, ours or another program's: polygons are zones (`zoneId` or `id` or a name made
 * into one, `floor` or `level`), points with a `gatewayId` are gateways, lines walls. A map that
 * does not say where its (0, 0) lies gets it at its south-western corner, y to the north. Throws `ConfigError`.
 */
export function venueFromGeoJson(json: unknown, fileName: string): VenueMap {
  const parsed = geoJsonSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ConfigError(`${fileName} is not GeoJSON of a venue: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (docs/venue-map.md)`);
  }
  const { features, konferenco } = parsed.data;
  const box = boxOf(features);
  const fault = faultOf(features, box);
  if (fault !== null) throw new ConfigError(`${fileName} does not make a venue map: ${fault} (docs/venue-map.md)`);
  const corner = box.minLon === Infinity ? NO_ORIGIN : { lat: box.minLat, lon: box.minLon, bearingDeg: 0 };
  const placed = konferenco !== undefined && konferenco.origin === null ? NO_ORIGIN : (konferenco?.origin ?? corner);
  const toVenue = ([lon, lat]: readonly number[]): [number, number] => {
    const { xM, yM } = venuePointOfLonLat({ lon: lon as number, lat: lat as number }, placed);
    return [millimetres(xM), millimetres(yM)];
  };
  const zones = zonesOf(features, toVenue);
  const walls = features.flatMap((feature) => wallsOf(feature, toVenue));
  const gateways = features.flatMap((feature, i) => gatewayOf(feature, i, toVenue));
  const floorNumbers = [...new Set([...zones, ...gateways].map(({ floor }) => floor))].sort((a, b) => a - b);
  const result = venueMapSchema.safeParse({
    venueId: konferenco?.venueId ?? idFrom(fileName.replace(/^.*[\\/]/, "").replace(/\.(geo)?json$/i, ""), "venue"),
    ...(konferenco?.name === undefined ? {} : { name: konferenco.name }),
    ...(konferenco?.direction === undefined ? {} : { direction: konferenco.direction }),
    ...(placed === NO_ORIGIN ? {} : { origin: placed }),
    floors: konferenco?.floors ?? (floorNumbers.length > 0 ? floorNumbers : [0]).map((floor) => ({ floor, name: `Floor ${floor}` })),
    zones,
    gateways,
    walls,
    ...(konferenco?.tags === undefined ? {} : { tags: konferenco.tags }),
    ...(konferenco?.notes === undefined ? {} : { notes: konferenco.notes }),
  });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ConfigError(`${fileName} does not make a venue map: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""} (docs/venue-map.md)`);
}

/** An area, or one of ours that nobody has drawn. */
function isZone({ geometry: shape, properties }: ReadFeature): boolean {
  return shape?.type === "Polygon" || shape?.type === "MultiPolygon" || properties?.["feature"] === "zone";
}

function zonesOf(features: readonly ReadFeature[], toVenue: (lonLat: readonly number[]) => [number, number]): Zone[] {
  const zones: Zone[] = [];
  const used = new Set<string>();
  features.forEach((feature, i) => {
    const properties = feature.properties ?? {};
    const { geometry: shape } = feature;
    if (!isZone(feature)) return;
    const rings = shape?.type === "Polygon" ? [shape.coordinates] : shape?.type === "MultiPolygon" ? shape.coordinates : [];
    const name = text(properties["name"]) ?? text(properties["zoneId"]) ?? `Zone ${i + 1}`;
    const zoneId = text(properties["zoneId"]) ?? unused(idFrom(text(properties["id"]) ?? text(feature.id) ?? name, `zone-${i + 1}`), used);
    used.add(zoneId);
    zones.push({
      zoneId,
      name,
      kind: text(properties["kind"]) ?? "room",
      floor: floorOf(properties),
      polygons: rings.map((ringsOfOne) => withoutHoles(ringsOfOne.map((ring) => opened(ring.map(toVenue))))),
    });
  });
  return zones;
}

function gatewayOf({ geometry: shape, properties }: ReadFeature, i: number, toVenue: (lonLat: readonly number[]) => [number, number]) {
  const gatewayId = text(properties?.["gatewayId"]);
  if (shape?.type !== "Point" || properties === null || (gatewayId === null && properties["feature"] !== "gateway")) return [];
  const [xM, yM] = toVenue(shape.coordinates);
  const zoneId = text(properties["zoneId"]);
  const { zM } = properties;
  return [{ gatewayId: gatewayId ?? `gateway-${i + 1}`, xM, yM, ...(typeof zM === "number" ? { zM } : {}), floor: floorOf(properties), ...(zoneId === null ? {} : { zoneId }) }];
}

function wallsOf({ geometry: shape, properties }: ReadFeature, toVenue: (lonLat: readonly number[]) => [number, number]): VenueMap["walls"] {
  if (shape?.type !== "LineString" && shape?.type !== "MultiLineString") return [];
  const floor = properties?.["floor"] ?? properties?.["level"];
  const lines = shape.type === "LineString" ? [shape.coordinates] : shape.coordinates;
  return lines.flatMap((line) =>
    line.slice(1).map((end, i) => {
      const [x0M, y0M] = toVenue(line[i] as number[]);
      const [x1M, y1M] = toVenue(end);
      return floor === undefined ? ([x0M, y0M, x1M, y1M] as [number, number, number, number]) : ([x0M, y0M, x1M, y1M, Number(floor)] as [number, number, number, number, number]);
    }),
  );
}

/**
 * A zone's polygon has one ring. A hole is joined to the ring around it by a slit without width, between the
 * corners that are nearest to each other: the even-odd rule then leaves the hole out.
 */
function withoutHoles([outer = [], ...holes]: [number, number][][]): [number, number][] {
  return holes.reduce((ring, hole) => {
    let best = { at: 0, hole: 0, rangeM: Infinity };
    ring.forEach(([xM, yM], at) =>
      hole.forEach(([holeXM, holeYM], h) => {
        const rangeM = Math.hypot(holeXM - xM, holeYM - yM);
        if (rangeM < best.rangeM) best = { at, hole: h, rangeM };
      }),
    );
    if (best.rangeM === Infinity) return ring;
    const around = [...hole.slice(best.hole), ...hole.slice(0, best.hole)];
    return [...ring.slice(0, best.at + 1), ...around, around[0] as [number, number], ...ring.slice(best.at)];
  }, outer);
}

/** Rings close by repeating their first corner; ours do not. */
function opened(ring: [number, number][]): [number, number][] {
  const [first, last] = [ring[0], ring.at(-1)];
  const closes = ring.length > 1 && first !== undefined && last !== undefined && first[0] === last[0] && first[1] === last[1];
  return closes ? ring.slice(0, -1) : ring;
}

interface Box {
  minLon: number;
  maxLon: number;
  minLat: number;
  maxLat: number;
}

function boxOf(features: readonly ReadFeature[]): Box {
  const box: Box = { minLon: Infinity, maxLon: -Infinity, minLat: Infinity, maxLat: -Infinity };
  const cover = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    if (typeof part[0] !== "number") return part.forEach(cover);
    const [lon, lat] = part as [number, number];
    [box.minLon, box.maxLon] = [Math.min(box.minLon, lon), Math.max(box.maxLon, lon)];
    [box.minLat, box.maxLat] = [Math.min(box.minLat, lat), Math.max(box.maxLat, lat)];
  };
  for (const feature of features) cover(feature.geometry?.coordinates);
  return box;
}

/** No venue is wider: a shape farther away slipped in, or the numbers are no degrees. */
const MAX_SPAN_KM = 20;

/** What other programs get wrong, with the remedy; null when nothing is. */
function faultOf(features: readonly ReadFeature[], { minLon, maxLon, minLat, maxLat }: Box): string | null {
  if (!features.some((feature) => isZone(feature))) return "it holds no polygon: draw one for each zone";
  if (minLon === Infinity) return null;
  if (minLon < -180 || maxLon > 180 || minLat < -90 || maxLat > 90) return `coordinates are longitude and latitude in degrees, and ${[minLon, maxLon].find((lon) => Math.abs(lon) > 180) ?? [minLat, maxLat].find((lat) => Math.abs(lat) > 90)} is neither: export it as EPSG:4326 (WGS 84)`;
  const spanKm = Math.hypot((maxLat - minLat) * KM_PER_DEGREE, (maxLon - minLon) * KM_PER_DEGREE * Math.cos((minLat * Math.PI) / 180));
  return spanKm > MAX_SPAN_KM ? `it spans ${Math.round(spanKm)} km: leave out what does not belong to the venue; coordinates are longitude and latitude in degrees` : null;
}

const KM_PER_DEGREE = 111;

function floorOf(properties: Record<string, unknown>): number {
  const floor = Number(properties["floor"] ?? properties["level"] ?? 0);
  return Number.isFinite(floor) ? Math.round(floor) : 0;
}

function text(value: unknown): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}

function idFrom(name: string, otherwise: string): string {
  const id = name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9._:-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "")
    .slice(0, 60);
  return id === "" ? otherwise : id;
}

function unused(id: string, used: ReadonlySet<string>): string {
  if (!used.has(id)) return id;
  for (let n = 2; ; n++) if (!used.has(`${id}-${n}`)) return `${id}-${n}`;
}

function round(degrees: number): number {
  return Number(degrees.toFixed(DECIMALS));
}

function millimetres(metres: number): number {
  return Math.round(metres * 1_000) / 1_000 + 0;
}
