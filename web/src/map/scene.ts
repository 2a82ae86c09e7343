import type { GatewayHealth } from "@konferenco/protocol";

/** Somebody or something at a point. */
export interface Dot {
  key: string;
  look: "person" | "thing" | "me";
  label: string;
  xM: number;
  yM: number;
  floor: number;
  accuracy95M: number;
  /** Counted in another zone than the one that holds the point, or in none: drawn hollow, so that counts and full dots agree. */
  isCountedElsewhere: boolean;
  /** When its position came, on the page's clock: old ones are drawn faintly. */
  heardAtMs: number;
}

/** Everything that moves on the map. The map reads it whenever it draws. */
export interface Scene {
  dots: Iterable<Dot>;
  /** People per zone as the viewer may know it. */
  counts: ReadonlyMap<string, number | "few">;
  /** Hot spots, and how many each holds. */
  hotZones: ReadonlyMap<string, number>;
  /** Names of those who show their zone and not their spot. */
  namesByZone: ReadonlyMap<string, readonly string[]>;
  gateways: ReadonlyMap<string, GatewayHealth["state"]>;
  /** A zone to stand out: chosen in a list, or the one I am in. */
  markedZoneId: string | null;
}

/** What the pointer is on, or what was chosen. */
export type Target = { kind: "dot"; key: string } | { kind: "gateway"; gatewayId: string } | { kind: "zone"; zoneId: string };

export function isSameTarget(a: Target | null, b: Target | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
