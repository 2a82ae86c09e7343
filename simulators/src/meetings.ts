import { venueMapSchema, type FloorPoint, type TagId, type VenueMap, type ZoneId } from "@konferenco/protocol";
import { walkerTagIds, type Crowd, type WalkerState } from "./crowd.ts";
import { newNavigation } from "./navigation.ts";
import { newRadio, type RadioConfig } from "./radio.ts";
import { newRandom, type Random } from "./random.ts";
import type { Contact, RecordedObservation, Recording, TruthPoint } from "./recording.ts";
import { newWorld } from "./world.ts";

/**
 * People of an office who come together and part, for measuring proximity: who stands with whom is
 * decided at every visit, so companions are not fixed and every pair is near and apart several times.
 * A `Crowd` like the conference's, so that the same world and radio hear it.
 */
export interface MeetingsOptions {
  people: number;
  /** Share of visits that go to somebody rather than to a place. */
  meetShare?: number;
  /** Share of partings in which two who stand together walk on together. */
  togetherShare?: number;
}

interface Knot extends FloorPoint {
  atMs: number;
  facingRad: number;
}

interface Walker {
  tagId: TagId;
  dice: Random;
  speedMps: number;
  knots: Knot[];
  /** Where it stands or is walking to, and until when. */
  spot: FloorPoint;
  leaveAtMs: number;
}

/** How long people stay, in seconds: long enough to talk, short enough that minutes hold several meetings. */
const STAY_S = [15, 60] as const;
/** Distance at which two people talk (Hall 1966: personal distance, 0.46-1.22 m). */
const TALK_M = [0.5, 1.3] as const;

export function newMeetings(venue: VenueMap, seed: string | number, options: MeetingsOptions): Crowd {
  const { people, meetShare = 0.45, togetherShare = 0.3 } = options;
  const navigation = newNavigation(venue);
  const dice = newRandom(`meetings/${seed}`);
  const zoneIds = navigation.reachableZoneIds;
  const walkers = walkerTagIds(people).map((tagId): Walker => {
    const own = dice.fork(tagId);
    const spot = somewhere(own);
    return { tagId, dice: own, speedMps: own.between(0.7, 1.4), knots: [{ ...spot, atMs: 0, facingRad: own.between(-Math.PI, Math.PI) }], spot, leaveAtMs: own.between(2_000, 20_000) };
  });
  let nowMs = 0;

  function somewhere(own: Random): FloorPoint {
    return navigation.spot(own.pick(zoneIds), own) as FloorPoint;
  }

  /** A place to talk to somebody who stands there: at arm's length, with no wall between. */
  function beside(there: FloorPoint, own: Random): FloorPoint | null {
    for (let attempt = 0; attempt < 12; attempt++) {
      const angleRad = own.between(-Math.PI, Math.PI);
      const awayM = own.between(...TALK_M);
      const spot = { xM: there.xM + awayM * Math.cos(angleRad), yM: there.yM + awayM * Math.sin(angleRad), floor: there.floor };
      if (navigation.zoneAt(spot) === navigation.zoneAt(there) && navigation.walls(spot.floor).clear(there.xM, there.yM, spot.xM, spot.yM, 0.2)) return spot;
    }
    return null;
  }

  function walk(walker: Walker, spot: FloorPoint, facingRad: number, atMs: number, speedMps: number): number {
    const from = walker.knots.at(-1) as Knot;
    walker.knots.push({ ...from, atMs });
    let onMs = atMs;
    const way = navigation.path(from, spot) ?? [from, spot];
    way.slice(1).forEach((to, i) => {
      const before = way[i] as FloorPoint;
      onMs += before.floor === to.floor ? (Math.hypot(to.xM - before.xM, to.yM - before.yM) / speedMps) * 1_000 : 12_000;
      walker.knots.push({ xM: to.xM, yM: to.yM, floor: to.floor, atMs: onMs, facingRad });
    });
    walker.spot = spot;
    return onMs;
  }

  function stay(walker: Walker, fromMs: number): void {
    const { dice: own, knots } = walker;
    const arrived = knots.at(-1) as Knot;
    walker.leaveAtMs = fromMs + own.between(...STAY_S) * 1_000;
    for (let atMs = fromMs + own.between(3_000, 15_000); atMs < walker.leaveAtMs; atMs += own.between(3_000, 15_000)) {
      knots.push({ ...arrived, atMs, facingRad: arrived.facingRad + 0.6 * own.gaussian() });
    }
  }

  function visit(walker: Walker): void {
    const { dice: own, leaveAtMs } = walker;
    const others = walkers.filter((other) => other !== walker);
    const companion = others.find((other) => other.leaveAtMs > leaveAtMs && other.spot.floor === walker.spot.floor && Math.hypot(other.spot.xM - walker.spot.xM, other.spot.yM - walker.spot.yM) < 1.5);
    const whom = others.length > 0 && own.next() < meetShare ? own.pick(others) : null;
    const spot = whom === null || whom === companion ? null : beside(whom.spot, own);
    const goal = spot ?? somewhere(own);
    const facingRad = spot === null || whom === null ? own.between(-Math.PI, Math.PI) : Math.atan2(whom.spot.yM - spot.yM, whom.spot.xM - spot.xM);
    const speedMps = walker.speedMps;
    stay(walker, walk(walker, goal, facingRad, leaveAtMs, speedMps));
    const follow = companion !== undefined && companion.knots.at(-1)?.atMs !== undefined && own.next() < togetherShare ? beside(goal, own) : null;
    if (follow === null || companion === undefined) return;
    // Whoever comes along drops what was planned for standing there, and sets off a second later.
    const setOffMs = leaveAtMs + 1_000;
    while (companion.knots.length > 1 && (companion.knots.at(-1) as Knot).atMs > setOffMs) companion.knots.pop();
    const standing = companion.knots.at(-1) as Knot;
    if (Math.hypot(standing.xM - companion.spot.xM, standing.yM - companion.spot.yM) > 0.01) return stay(companion, walk(companion, companion.spot, standing.facingRad, standing.atMs, companion.speedMps));
    stay(companion, walk(companion, follow, Math.atan2(goal.yM - follow.yM, goal.xM - follow.xM), setOffMs, speedMps));
  }

  function stateAt(walker: Walker, atMs: number): WalkerState {
    const { knots } = walker;
    let i = knots.length - 1;
    while (i > 0 && (knots[i] as Knot).atMs > atMs) i--;
    const from = knots[i] as Knot;
    const to = knots[i + 1];
    const moving = to !== undefined && to.atMs > from.atMs && (to.xM !== from.xM || to.yM !== from.yM);
    const along = moving ? (atMs - from.atMs) / (to.atMs - from.atMs) : 0;
    const xM = from.xM + along * ((to?.xM ?? from.xM) - from.xM);
    const yM = from.yM + along * ((to?.yM ?? from.yM) - from.yM);
    const place: FloorPoint = { xM, yM, floor: from.floor };
    return {
      ...place,
      tagId: walker.tagId,
      zoneId: navigation.zoneAt(place) satisfies ZoneId | null,
      facingRad: moving ? Math.atan2(to.yM - from.yM, to.xM - from.xM) : from.facingRad,
      speedMps: moving ? (Math.hypot(to.xM - from.xM, to.yM - from.yM) * 1_000) / (to.atMs - from.atMs) : 0,
    };
  }

  const byTag = new Map(walkers.map((walker) => [walker.tagId, walker]));
  return {
    tagIds: walkers.map(({ tagId }) => tagId),
    navigation,
    advance(toMs) {
      for (;;) {
        const next = walkers.reduce((first, walker) => (walker.leaveAtMs < first.leaveAtMs ? walker : first));
        if (next.leaveAtMs > toMs) break;
        visit(next);
      }
      nowMs = toMs;
    },
    positions: () => walkers.map((walker) => stateAt(walker, nowMs)),
    at(tagId, atMs) {
      const walker = byTag.get(tagId);
      return walker === undefined || atMs > nowMs ? null : stateAt(walker, atMs);
    },
    roleOf: () => "attendee",
    companionsOf: () => [],
  };
}

/**
 * An office by dice: rooms on both sides of a corridor, one gateway in each room and none in the
 * corridor, doors of 0.9 m. `map` is what an operator draws; `built` has the walls that radio and people meet.
 */
export function meetingOffice(seed: string | number): { map: VenueMap; built: VenueMap } {
  const dice = newRandom(`meeting-office/${seed}`);
  const lengthM = dice.between(13, 20);
  const sideM = [dice.between(4.5, 6.5), dice.between(4.5, 6.5)] as const;
  const corridorM = dice.between(1.6, 2.6);
  const rooms: { zoneId: string; x0M: number; x1M: number; y0M: number; y1M: number; doorYM: number }[] = [];
  for (const side of [0, 1] as const) {
    const count = 3 + dice.integer(3);
    const shares = Array.from({ length: count }, () => dice.between(0.75, 1.25));
    const totalShare = shares.reduce((sum, share) => sum + share, 0);
    const y0M = side === 0 ? 0 : sideM[0] + corridorM;
    let x0M = 0;
    for (const share of shares) {
      const x1M = x0M + (lengthM * share) / totalShare;
      rooms.push({ zoneId: `room-${rooms.length + 1}`, x0M, x1M, y0M, y1M: y0M + sideM[side], doorYM: side === 0 ? sideM[0] : y0M });
      x0M = x1M;
    }
  }
  const depthM = sideM[0] + corridorM + sideM[1];
  const box = (x0M: number, y0M: number, x1M: number, y1M: number) => [[[x0M, y0M], [x1M, y0M], [x1M, y1M], [x0M, y1M]]];
  const walls: [number, number, number, number][] = [[0, 0, lengthM, 0], [lengthM, 0, lengthM, depthM], [lengthM, depthM, 0, depthM], [0, depthM, 0, 0]];
  for (const { x0M, x1M, y0M, y1M, doorYM } of rooms) {
    const doorM = dice.between(x0M + 0.3, x1M - 1.2);
    walls.push([x0M, doorYM, doorM, doorYM], [doorM + 0.9, doorYM, x1M, doorYM]);
    if (x1M < lengthM - 0.01) walls.push([x1M, y0M, x1M, y1M]);
  }
  const map = venueMapSchema.parse({
    venueId: `meeting-office-${seed}`,
    floors: [{ floor: 0, name: "floor 0" }],
    zones: [
      ...rooms.map(({ zoneId, x0M, x1M, y0M, y1M }) => ({ zoneId, name: zoneId, kind: "room", floor: 0, polygons: box(x0M, y0M, x1M, y1M) })),
      { zoneId: "corridor", name: "corridor", kind: "corridor", floor: 0, polygons: box(0, sideM[0], lengthM, sideM[0] + corridorM) },
    ],
    gateways: rooms.map(({ zoneId, x0M, x1M, y0M, y1M }, i) => ({
      gatewayId: `gw-${i + 1}`,
      xM: dice.between(x0M + 0.2, x1M - 0.2),
      yM: dice.next() < 0.5 ? y0M + 0.2 : y1M - 0.2,
      zM: dice.between(1, 2.6),
      floor: 0,
      zoneId,
    })),
  });
  return { map, built: { ...map, walls } };
}

/** A room without walls inside, a gateway in each corner: an expo stand, a foyer. */
export function meetingHall(seed: string | number): { map: VenueMap; built: VenueMap } {
  const dice = newRandom(`meeting-hall/${seed}`);
  const [widthM, depthM] = [dice.between(8, 20), dice.between(7, 16)];
  const corners = [[0.3, 0.3], [widthM - 0.3, 0.3], [widthM - 0.3, depthM - 0.3], [0.3, depthM - 0.3], [widthM / 2, depthM / 2]] as const;
  const map = venueMapSchema.parse({
    venueId: `meeting-hall-${seed}`,
    floors: [{ floor: 0, name: "floor 0" }],
    zones: [{ zoneId: "hall", name: "hall", kind: "hall", floor: 0, polygons: [[[0, 0], [widthM, 0], [widthM, depthM], [0, depthM]]] }],
    gateways: corners.slice(0, widthM * depthM > 140 ? 5 : 4).map(([xM, yM], i) => ({ gatewayId: `gw-${i + 1}`, xM, yM, zM: dice.between(1, 2.6), floor: 0, zoneId: "hall" })),
  });
  return { map, built: map };
}

export interface MeetingRecordingOptions extends Partial<MeetingsOptions> {
  kind?: "office" | "hall";
  forMs?: number;
  radio?: Partial<RadioConfig>;
}

const TRUTH_EVERY_MS = 500;

/** A recording in memory, with the truth and everybody's contacts: two within 2 m of each other. */
export function recordMeetings(seed: string | number, options: MeetingRecordingOptions = {}): Recording {
  const { kind = "office", people = 3, forMs = 240_000 } = options;
  const { map, built } = kind === "office" ? meetingOffice(seed) : meetingHall(seed);
  const crowd = newMeetings(built, seed, { ...options, people });
  const world = newWorld({ venue: built, crowd, radio: newRadio(built, seed, options.radio) });
  const observations: RecordedObservation[] = [];
  const truth: TruthPoint[] = [];
  for (let atMs = TRUTH_EVERY_MS; atMs <= forMs; atMs += TRUTH_EVERY_MS) {
    observations.push(...world.advance(atMs));
    for (const { tagId, xM, yM, floor, zoneId } of crowd.positions()) truth.push({ atMs, tagId, xM, yM, floor, zoneId });
  }
  const venue: VenueMap = { ...map, tags: crowd.tagIds.map((tagId) => ({ tagId })) };
  return { name: `simulated/${kind}-${seed}`, dir: "", venue, observations, scans: [], truth, contacts: contactsOf(truth), surveyFile: null };
}

/** Who truly was within this distance of whom, from truth points of equal times. */
export function contactsOf(truth: readonly TruthPoint[], withinM = 2): Contact[] {
  const open = new Map<string, Contact & { samples: number }>();
  const done: Contact[] = [];
  const byTime = new Map<number, TruthPoint[]>();
  for (const point of truth) {
    const points = byTime.get(point.atMs);
    if (points === undefined) byTime.set(point.atMs, [point]);
    else points.push(point);
  }
  for (const [atMs, points] of [...byTime].sort(([a], [b]) => a - b)) {
    const sorted = points.toSorted((a, b) => (a.tagId < b.tagId ? -1 : 1));
    sorted.forEach((a, i) => {
      for (const b of sorted.slice(i + 1)) {
        const distanceM = a.floor === b.floor ? Math.hypot(a.xM - b.xM, a.yM - b.yM) : Infinity;
        const key = `${a.tagId} ${b.tagId}`;
        const contact = open.get(key);
        if (distanceM <= withinM) {
          if (contact === undefined) open.set(key, { startMs: atMs, endMs: atMs, tagA: a.tagId, tagB: b.tagId, distanceM, samples: 1 });
          else Object.assign(contact, { endMs: atMs, distanceM: (contact.distanceM * contact.samples + distanceM) / (contact.samples + 1), samples: contact.samples + 1 });
        } else if (contact !== undefined) {
          open.delete(key);
          done.push(contact);
        }
      }
    });
  }
  return [...done, ...open.values()].map(({ startMs, endMs, tagA, tagB, distanceM }) => ({ startMs, endMs, tagA, tagB, distanceM })).sort((a, b) => a.startMs - b.startMs);
}
