import type { ActivityView, GatewayHealth, Level, VenueMap } from "@konferenco/protocol";

/** A time of day as the reader's own language writes it. */
export function clockTime(atMs: number, { seconds = false } = {}): string {
  return new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) }).format(atMs);
}

/** For what may have happened on another day. */
export function dateAndTime(atMs: number): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(atMs);
}

/** How long ago, coarse as people say it. */
export function ago(atMs: number, nowMs: number): string {
  const elapsedS = Math.max(0, Math.round((nowMs - atMs) / 1_000));
  if (elapsedS < 10) return "just now";
  if (elapsedS < 60) return `${elapsedS} s ago`;
  if (elapsedS < 3_600) return `${Math.floor(elapsedS / 60)} min ago`;
  return clockTime(atMs);
}

export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A count of people that the public may not know exactly arrives as "few". */
export function people(count: number | "few"): string {
  return count === "few" ? "a few people" : counted(count, "person", "people");
}

export function zoneName(venue: VenueMap, zoneId: string | null): string {
  if (zoneId === null) return "outside all zones";
  return venue.zones.find((zone) => zone.zoneId === zoneId)?.name ?? zoneId;
}

/** From zone to zone, null: outside all. To stand after a name. */
export function walkInWords({ from, to }: { from: string | null; to: string | null }, venue: VenueMap): string {
  if (to === null) return `left ${zoneName(venue, from)}`;
  if (from === null) return `entered ${zoneName(venue, to)}`;
  const [before, after] = [from, to].map((zoneId) => venue.zones.find((zone) => zone.zoneId === zoneId)?.floor);
  // Stairs often have one name on all floors.
  const onFloor = after === undefined || before === after ? "" : `, ${floorName(venue, after)}`;
  return `went from ${zoneName(venue, from)} to ${zoneName(venue, to)}${onFloor}`;
}

/** What somebody is doing, to stand after "Now:" or a name. */
export function activityInWords({ kind, name, untilMs }: ActivityView): string {
  const until = untilMs === undefined ? "" : `, until ${clockTime(untilMs)}`;
  switch (kind) {
    case "in_session":
      return `${name === undefined ? "in a session" : `in session “${name}”`}${until}`;
    case "at_booth":
      return name === undefined ? "at a stand" : `at the stand of ${name}`;
    case "in_meeting":
      return `${name === undefined ? "in a meeting" : `in a meeting: ${name}`}${until}`;
    case "networking":
      return "networking";
    case "exploring":
      return "looking around";
  }
}

export function floorName(venue: VenueMap, floor: number): string {
  return venue.floors.find((candidate) => candidate.floor === floor)?.name ?? `Floor ${floor}`;
}

const KINDS: Record<string, string> = {
  room: "Session room",
  hall: "Hall",
  corridor: "Corridor",
  lounge: "Lounge",
  booth: "Exhibitor stand",
  food: "Food",
  registration: "Registration",
  outdoor: "Outdoors",
};

export function kindName(kind: string): string {
  return KINDS[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1);
}

/** What a level is called, and one plain sentence of what others then see. */
export const LEVEL_WORDS: Record<Level, { name: string; short: string; sentence: string }> = {
  precise: { name: "My spot", short: "my spot on the map", sentence: "Others see where you are on the map, to about a metre." },
  zone: { name: "My area", short: "which area I am in", sentence: "Others see which area you are in, for example “Food court”, but not where in it." },
  venue: { name: "At the venue", short: "only that I am here", sentence: "Others see that you are at the venue, but not where." },
  hidden: { name: "Hidden", short: "nothing", sentence: "Others see nothing: not where you are, and not that you are here." },
};

const RADIO_WORDS = {
  prior: "Not calibrated yet: positions rest on typical values",
  links: "Calibrated by gateways that hear each other",
  traffic: "Calibrated by what tags sent",
  survey: "Calibrated by the survey",
} as const;

/** What positions rest on and how good that is: the same for all gateways. Nothing before one of them has told. */
export function radioWords(health: readonly GatewayHealth[]): string {
  const calibration = health.find((one) => one.calibration !== undefined)?.calibration;
  if (calibration === undefined) return "";
  const { basis, residualDb, gainNats } = calibration;
  const howGood = residualDb !== null ? `, levels within ${residualDb} dB` : gainNats !== undefined ? `: what was held back became ${Math.exp(gainNats).toFixed(1)} times as likely` : "";
  return `${RADIO_WORDS[basis]}${howGood}`;
}
