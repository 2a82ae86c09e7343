import { ConfigError, type FloorPoint, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";
import { newNavigation, type Navigation } from "./navigation.ts";
import { newRandom, type Random } from "./random.ts";

/**
 * People who walk about a venue: sessions, breaks, lounge, food, stands; alone, in pairs and threes.
 * Where a walker is at a time depends on venue, seed and options only, never on how often one asks:
 * every way is planned ahead as points with times.
 */
export interface CrowdOptions {
  /** How many walkers, or their tag ids. Default 48. */
  tags?: number | readonly TagId[];
  /** Stretches how long people stay and how long sessions last. 1: a conference told in minutes, for a demo; 12: its real pace. */
  pace?: number;
  /** Share of attendees who walk in company. */
  companyShare?: number;
  /** Share of walkers who come in through registration in the first two minutes. */
  arrivingShare?: number;
}

export const CROWD_DEFAULTS = { tags: 48, pace: 1, companyShare: 0.5, arrivingShare: 0.08 };

/** The truth about one walker. */
export interface WalkerState extends FloorPoint {
  tagId: TagId;
  zoneId: ZoneId | null;
  /** Where the wearer looks, counter-clockwise from the x axis. */
  facingRad: number;
  speedMps: number;
}

export type WalkerRole = "attendee" | "exhibitor" | "speaker" | "staff";

export interface Crowd {
  readonly tagIds: readonly TagId[];
  readonly navigation: Navigation;
  /** Plans on to that time (ms of the simulation; 0 is its start) and forgets what is older than a minute before it. */
  advance(nowMs: number): void;
  /** Everybody who is in the venue at the time of the last `advance`. */
  positions(): WalkerState[];
  /** One walker then; null when not in the venue yet, unknown, or longer ago than the minute that is kept. */
  at(tagId: TagId, atMs: number): WalkerState | null;
  roleOf(tagId: TagId): WalkerRole;
  /** Who walks together with this one. */
  companionsOf(tagId: TagId): TagId[];
}

/** The walkers' tag ids: `tag-001`, `tag-002` … */
export function walkerTagIds(count: number): TagId[] {
  return Array.from({ length: count }, (_, index) => `tag-${String(index + 1).padStart(3, "0")}`);
}

/** Roles by number, so that the registry's people (demo-people.ts) and the walkers agree. The first two are attendees who walk together. */
export function walkerRole(index: number): WalkerRole {
  if (index % 20 === 13) return "staff";
  if (index % 10 === 7) return "exhibitor";
  if (index % 16 === 11) return "speaker";
  return "attendee";
}

/** What is kept of the past: positions are compared with the truth a few seconds later. */
const KEPT_MS = 60_000;

/** People are told to be somewhere before the clock starts, so that at 0 they are spread and on the move. */
const WARM_UP_MS = 150_000;

/** Two thirds of a cycle are talks, one third a break; at 0 a break begins and rooms empty. */
const BREAK_MS = 100_000;
const CYCLE_MS = 300_000;

/** Between the floors: 4 m of stairs at 0.33 m/s of rise, as people climb. */
const STAIRS_MS = 12_000;

/** Companions set off one after the other. */
const FOLLOW_MS = 900;

/** What draws people: in a break, and while talks are on. By zone kind; unknown kinds are visited a little. */
const PULL: Record<string, { inBreak: number; inTalk: number; stayS: readonly [number, number] }> = {
  room: { inBreak: 0.12, inTalk: 0.52, stayS: [20, 60] },
  lounge: { inBreak: 0.24, inTalk: 0.12, stayS: [40, 120] },
  booth: { inBreak: 0.26, inTalk: 0.14, stayS: [20, 75] },
  hall: { inBreak: 0.09, inTalk: 0.06, stayS: [10, 40] },
  food: { inBreak: 0.22, inTalk: 0.1, stayS: [40, 110] },
  registration: { inBreak: 0.04, inTalk: 0.02, stayS: [15, 30] },
  corridor: { inBreak: 0.05, inTalk: 0.03, stayS: [5, 25] },
  stairs: { inBreak: 0, inTalk: 0, stayS: [0, 0] },
};
const OTHER_PULL = { inBreak: 0.08, inTalk: 0.05, stayS: [20, 60] as const };

interface Knot extends FloorPoint {
  atMs: number;
  /** Where the walker looks from here to the next knot while standing; a walker looks ahead. */
  facingRad: number;
}

interface Walker {
  tagId: TagId;
  role: WalkerRole;
  knots: Knot[];
}

interface Group {
  members: Walker[];
  dice: Random;
  speedMps: number;
  zoneId: ZoneId;
  /** When it sets off again: the plan reaches so far. */
  leaveAtMs: number;
  /** An exhibitor's stand, the registration desk. */
  postZoneId: ZoneId | null;
}

export function newCrowd(venue: VenueMap, seed: string | number, options: CrowdOptions = {}): Crowd {
  const { pace, companyShare, arrivingShare } = { ...CROWD_DEFAULTS, ...options };
  const tags = options.tags ?? CROWD_DEFAULTS.tags;
  const tagIds = typeof tags === "number" ? walkerTagIds(tags) : [...tags];
  const navigation = newNavigation(venue);
  const dice = newRandom(`crowd/${seed}`);
  const kindOf = new Map(venue.zones.map((zone) => [zone.zoneId, zone.kind]));
  const destinations = navigation.reachableZoneIds.filter((zoneId) => kindOf.get(zoneId) !== "stairs");
  const ofKind = new Map<string, ZoneId[]>();
  for (const zoneId of destinations) {
    const kind = kindOf.get(zoneId) as string;
    ofKind.set(kind, [...(ofKind.get(kind) ?? []), zoneId]);
  }
  if (destinations.length === 0) throw new ConfigError("simulated people have nowhere to stand: the venue has no zone with a polygon of at least 1 m2. Draw some (docs/venue-map.md), or start without them (--no-simulation)");

  const walkers = new Map<TagId, Walker>();
  const groups = formGroups();
  let nowMs = 0;
  advance(0);

  function formGroups(): Group[] {
    const forming = dice.fork("groups");
    const formed: Group[] = [];
    for (let index = 0; index < tagIds.length; ) {
      const role = walkerRole(index);
      let size = 1;
      // The first two walk together in every seed: the demo's attendee page belongs to one of them.
      if (index === 0) size = 2;
      else if (role === "attendee" && forming.next() < companyShare) size = forming.next() < 0.7 ? 2 : 3;
      const members: Walker[] = [];
      while (members.length < size && index < tagIds.length && walkerRole(index) === role) {
        const walker: Walker = { tagId: tagIds[index] as TagId, role, knots: [] };
        walkers.set(walker.tagId, walker);
        members.push(walker);
        index++;
      }
      formed.push(placed(members, forming.next() < arrivingShare && index > 2));
    }
    return formed;
  }

  /** Puts a group where it begins: somewhere inside long before 0, or at registration a while after. */
  function placed(members: Walker[], arriving: boolean): Group {
    const [first] = members as [Walker];
    const own = dice.fork(`walker/${first.tagId}`);
    const registration = ofKind.get("registration");
    const postZoneId = postOf(first.role, own);
    const startMs = arriving && registration !== undefined ? own.between(0, 120_000) : -WARM_UP_MS;
    const zoneId = startMs >= 0 && registration !== undefined ? own.pick(registration) : (postZoneId ?? chosenZone(own, null, startMs, null));
    const group: Group = {
      members,
      dice: own,
      speedMps: own.between(0.85, 1.45),
      zoneId,
      // Nobody moves off in step.
      leaveAtMs: startMs + own.between(0, 60_000) * (startMs < 0 ? 1 : 0.3),
      postZoneId,
    };
    let near: FloorPoint | undefined;
    for (const member of members) {
      const spot = navigation.spot(zoneId, own, near) as FloorPoint;
      near ??= spot;
      member.knots.push({ ...spot, atMs: startMs, facingRad: own.between(-Math.PI, Math.PI) });
    }
    return group;
  }

  function postOf(role: WalkerRole, own: Random): ZoneId | null {
    const posts = role === "exhibitor" ? ofKind.get("booth") : role === "staff" ? ofKind.get("registration") : undefined;
    return posts === undefined ? null : own.pick(posts);
  }

  function inTalk(atMs: number): boolean {
    const cycleMs = CYCLE_MS * pace;
    return ((atMs % cycleMs) + cycleMs) % cycleMs >= BREAK_MS * pace;
  }

  function chosenZone(own: Random, leaving: ZoneId | null, atMs: number, postZoneId: ZoneId | null): ZoneId {
    if (postZoneId !== null && leaving !== postZoneId && own.next() < 0.8) return postZoneId;
    const weighted = [...ofKind].map(([kind, zoneIds]) => {
      const pull = PULL[kind] ?? OTHER_PULL;
      return { weight: inTalk(atMs) ? pull.inTalk : pull.inBreak, zoneIds };
    });
    const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
    for (let attempt = 0; attempt < 8; attempt++) {
      let mark = own.next() * total;
      for (const { weight, zoneIds } of weighted) {
        mark -= weight;
        if (mark >= 0) continue;
        const zoneId = own.pick(zoneIds);
        if (zoneId !== leaving || destinations.length === 1) return zoneId;
        break;
      }
    }
    return own.pick(destinations);
  }

  function stayMs(zoneId: ZoneId, group: Group, arrivedAtMs: number): number {
    const kind = kindOf.get(zoneId) as string;
    if (zoneId === group.postZoneId) return group.dice.between(60_000, 180_000) * pace;
    if (kind === "room" && inTalk(arrivedAtMs)) {
      const cycleMs = CYCLE_MS * pace;
      const untilEndMs = cycleMs - (((arrivedAtMs % cycleMs) + cycleMs) % cycleMs);
      // A talk empties over half a minute.
      return untilEndMs + group.dice.between(0, 30_000);
    }
    const [minS, maxS] = (PULL[kind] ?? OTHER_PULL).stayS;
    return group.dice.between(minS, maxS) * 1_000 * pace;
  }

  /** The group's next visit: ways, arrival, how long it stays. */
  function planVisit(group: Group): void {
    const { dice: own } = group;
    const zoneId = chosenZone(own, group.zoneId, group.leaveAtMs, group.postZoneId);
    let near: FloorPoint | undefined;
    let arrivedAtMs = group.leaveAtMs;
    const faceTo = own.between(-Math.PI, Math.PI);
    group.members.forEach((member, order) => {
      const spot = navigation.spot(zoneId, own, near) as FloorPoint;
      const setOffMs = group.leaveAtMs + order * FOLLOW_MS;
      // Companions face each other; one alone faces whatever there is.
      const facingRad = near === undefined ? faceTo : Math.atan2(near.yM - spot.yM, near.xM - spot.xM);
      near ??= spot;
      arrivedAtMs = Math.max(arrivedAtMs, walk(member, spot, setOffMs, group.speedMps * own.between(0.98, 1.02), facingRad));
    });
    group.zoneId = zoneId;
    group.leaveAtMs = arrivedAtMs + stayMs(zoneId, group, arrivedAtMs);
    for (const member of group.members) standAbout(member, group.leaveAtMs, own);
  }

  /** Who stands turns now and then, by some 45 degrees: the body comes and goes between badge and gateway. */
  function standAbout(walker: Walker, untilMs: number, own: Random): void {
    const arrived = walker.knots[walker.knots.length - 1] as Knot;
    for (let atMs = arrived.atMs + own.between(5_000, 20_000); atMs < untilMs; atMs += own.between(5_000, 20_000)) {
      walker.knots.push({ ...arrived, atMs, facingRad: arrived.facingRad + 0.8 * own.gaussian() });
    }
  }

  /** Adds the way to the spot; returns when the walker is there. */
  function walk(walker: Walker, spot: FloorPoint, setOffMs: number, speedMps: number, facingRad: number): number {
    const last = walker.knots[walker.knots.length - 1] as Knot;
    const way = navigation.path(last, spot);
    // The spot was chosen among the cells that can be walked to, as was the place where the walker stands.
    if (way === null) throw new Error(`no way from (${last.xM}, ${last.yM}) on floor ${last.floor} to (${spot.xM}, ${spot.yM}) on floor ${spot.floor}`);
    let atMs = Math.max(setOffMs, last.atMs);
    walker.knots.push({ ...last, atMs });
    for (let i = 1; i < way.length; i++) {
      const from = way[i - 1] as FloorPoint;
      const to = way[i] as FloorPoint;
      if (from.floor !== to.floor) {
        // Half way up the other floor begins.
        const middle = { xM: (from.xM + to.xM) / 2, yM: (from.yM + to.yM) / 2 };
        walker.knots.push({ ...middle, floor: to.floor, atMs: atMs + STAIRS_MS / 2, facingRad });
        atMs += STAIRS_MS;
      } else {
        atMs += (Math.hypot(to.xM - from.xM, to.yM - from.yM) / speedMps) * 1_000;
      }
      walker.knots.push({ xM: to.xM, yM: to.yM, floor: to.floor, atMs, facingRad });
    }
    return atMs;
  }

  function advance(toMs: number): void {
    nowMs = toMs;
    for (const group of groups) {
      while (group.leaveAtMs <= toMs) planVisit(group);
      for (const { knots } of group.members) {
        let gone = 0;
        while (gone + 1 < knots.length && (knots[gone + 1] as Knot).atMs < toMs - KEPT_MS) gone++;
        if (gone > 0) knots.splice(0, gone);
      }
    }
  }

  function stateAt(walker: Walker, atMs: number): WalkerState | null {
    const { knots } = walker;
    const first = knots[0] as Knot;
    if (atMs < first.atMs) return null;
    let i = knots.length - 1;
    while ((knots[i] as Knot).atMs > atMs) i--;
    const from = knots[i] as Knot;
    const to = knots[i + 1];
    const moving = to !== undefined && to.atMs > from.atMs && (to.xM !== from.xM || to.yM !== from.yM);
    const along = moving ? (atMs - from.atMs) / (to.atMs - from.atMs) : 0;
    const xM = moving ? from.xM + along * (to.xM - from.xM) : from.xM;
    const yM = moving ? from.yM + along * (to.yM - from.yM) : from.yM;
    return {
      tagId: walker.tagId,
      xM,
      yM,
      floor: from.floor,
      zoneId: navigation.zoneAt({ xM, yM, floor: from.floor }),
      facingRad: moving ? Math.atan2(to.yM - from.yM, to.xM - from.xM) : from.facingRad,
      speedMps: moving ? (Math.hypot(to.xM - from.xM, to.yM - from.yM) * 1_000) / (to.atMs - from.atMs) : 0,
    };
  }

  return {
    tagIds,
    navigation,
    advance(toMs) {
      if (toMs < nowMs) throw new RangeError(`the crowd is at ${nowMs} ms and does not walk back to ${toMs} ms`);
      advance(toMs);
    },
    positions: () => [...walkers.values()].map((walker) => stateAt(walker, nowMs)).filter((state) => state !== null),
    at(tagId, atMs) {
      const walker = walkers.get(tagId);
      return walker === undefined || atMs > nowMs ? null : stateAt(walker, atMs);
    },
    roleOf: (tagId) => walkers.get(tagId)?.role ?? "attendee",
    companionsOf: (tagId) => groups.find((group) => group.members.some((member) => member.tagId === tagId))?.members.map((member) => member.tagId).filter((other) => other !== tagId) ?? [],
  };
}
