import { gatewayOfTag, type VenueMap } from "@konferenco/protocol";
import type { Observation } from "./accept.ts";
import { copyOf } from "./copy-of.ts";
import { calibrateByLinks, levelOfAllPackets, type LinkMeasurement } from "./calibrate-links.ts";
import { learnFromTraffic, MIN_SNAPSHOTS, type Snapshot } from "./learn-traffic.ts";
import type { FusionConfig } from "./fusion-config.ts";
import { newRadioMap, type SurveyPoint } from "./radio-map.ts";
import { fillLevels, newLevelMap, pathDbOf, priorModel, reachOfGateways, wallsBetween, type LevelMap, type RadioModel } from "./radio-model.ts";
import { voteOf, type SurveyVotes } from "./survey-votes.ts";
import type { Links } from "./links.ts";
import type { VenueGrid } from "./venue-grid.ts";
import { gatewaysNear, type IndexedGateway, type VenueIndex } from "./venue-index.ts";

/** What is calibrated, from what, and how good: for the console and for /metrics. */
export interface CalibrationState {
  /** What the expected levels rest on. */
  basis: "prior" | "links" | "traffic" | "survey";
  rssiAt1mDbm: number;
  pathLossExponent: number;
  wallLossDb: number;
  /** Standard deviation of what the model leaves unexplained, in dB; null before there is anything to compare. */
  residualDb: number | null;
  surveySpots: number;
  /** How much likelier held-back traffic became by learning from the rest, in nats; null when it was not believed. */
  trafficGainNats: number | null;
  heardLinks: number;
  unheardLinks: number;
  gateways: { gatewayId: string; offsetDb: number; sensitivityDbm: number; listening: boolean }[];
  /** When the levels were last made anew; -Infinity before. */
  calibratedAtMs: number;
}

/** What gateways tell of each other and of themselves. */
export interface Calibration {
  readonly levels: LevelMap;
  readonly sensitivityDbm: Float64Array;
  readonly model: RadioModel;
  readonly basis: CalibrationState["basis"];
  /**
   * How far a gateway's silence is evidence, 0-1. None of one that seems dead: it used to hear its
   * neighbours and does not any more, or tags pass by it unheard. Half of one that never spoke.
   */
  listening(gateway: number, nowMs: number): number;
  /**
   * How few gateways watch the open floor around this one: 1 where eight do, 2 with four or fewer, 2/3 with twelve or more. Their
   * errors average over as many as there are; few must be given time. Where walls tell places apart it is 1, whoever watches, and
   * with a survey never less: what a radio map knows of shadows lasts.
   */
  scarcity(gateway: number): number;
  /**
   * How much farther off positions are than the posterior says: 1, or in proportion, at most 2, where gateways hear each other by more than
   * `usualResidualDb` otherwise than any one law of distance and walls would have it. What misses the links misses the tags too.
   */
  doubt(): number;
  /** A tag that the gateway should hear well was not heard by it for so long. */
  missed(gateway: number, elapsedS: number): void;
  /** Which places the survey's spots are in that sound like these links of a tag; null without a survey, and of a tag that is silent. */
  surveyVotes(links: Links, offsetDb: number, nowMs: number): SurveyVotes | null;
  /** Any observation: the gateway is alive, and hears at least this weak. */
  noteHeard(gateway: number, rssiDbm: number, heardAtMs: number): void;
  /** A gateway's own transmitter, heard by another. */
  noteLink(from: number, by: number, observation: Observation): void;
  /** Whether a snapshot of somebody's hearings is wanted: one a second of all tags together. */
  wantsSnapshot(nowMs: number): boolean;
  learn(snapshot: Snapshot, nowMs: number): void;
  /** Calibrates anew when it is due. True when levels changed. */
  refresh(nowMs: number): boolean;
  links(): GatewayLink[];
  /** Keeps what is known now; returns how to go back to it, as often as is wanted. */
  save(): () => void;
  state(nowMs: number): CalibrationState;
}

/** The level of one gateway's transmitter at another, averaged over a long while. */
export interface GatewayLink {
  from: number;
  by: number;
  meanDbm: number;
  varianceDb2: number;
  samples: number;
  heardAtMs: number;
}

/** Directed gateway pairs within earshot: 2,000 gateways with 20 neighbours each, 250 B a link. */
const MAX_LINKS = 40_000;
/** Pairs farther apart than this are not expected to hear each other: their silence says nothing new. */
const MAX_SILENT_LINK_M = 60;
/** First soon, then ever rarer: the building does not change. */
const FIRST_REFRESH_MS = 3_000;
const LAST_REFRESH_MS = 120_000;

export function newCalibration(map: VenueMap, index: VenueIndex, grid: VenueGrid, survey: readonly SurveyPoint[], settings: FusionConfig): Calibration {
  const config = { ...settings, tagHeightM: tagHeightOf(map) ?? settings.tagHeightM };
  const count = index.gateways.length;
  const reaches = reachOfGateways(index, grid, config);
  const levels = newLevelMap(reaches);
  let model = priorModel(count, config);
  fillLevels(levels, reaches, model);
  const sensitivityDbm = new Float64Array(count).fill(config.priorSensitivityDbm);
  const lastHeardMs = new Float64Array(count).fill(-Infinity);
  const lastLinkMs = new Float64Array(count).fill(-Infinity);
  const missedS = new Float64Array(count);
  let links = new Map<number, GatewayLink>();
  let basis: CalibrationState["basis"] = "prior";
  let residualDb: number | null = null;
  let heardLinks = 0;
  let unheardLinks = 0;
  let calibratedAtMs = -Infinity;
  let isLinked = false;
  let dueMs = Infinity;
  let pauseMs = FIRST_REFRESH_MS;
  const radioMap = survey.length === 0 ? null : newRadioMap(survey, index, grid, levels, sensitivityDbm, config);
  if (radioMap !== null) {
    const { fit } = radioMap;
    model = { ...model, rssiAt1mDbm: fit.rssiAt1mDbm, pathLossExponent: fit.pathLossExponent, wallLossDb: fit.wallLossDb, gatewayOffsetDb: fit.gatewayOffsetDb };
    fillLevels(levels, reaches, model, radioMap);
    basis = "survey";
    residualDb = radioMap.residualDb;
    calibratedAtMs = 0;
  }
  let snapshots: Snapshot[] = [];
  let nextSnapshotMs = -Infinity;
  let trafficDueMs = Infinity;
  let trafficPauseMs = FIRST_TRAFFIC_MS;
  let trafficGainNats: number | null = null;
  /** What traffic corrects: learned from there each time, so that corrections do not feed on themselves. */
  const untaught = model;
  const trafficCells = sampleCells(grid);

  /** Corrects the model by what tags sent, when that explains held-back traffic better. Links tell more: beside them it takes as much as it gives (docs/decisions/0165). */
  function refreshByTraffic(nowMs: number): boolean {
    if (nowMs < trafficDueMs || basis === "links") return false;
    trafficDueMs = nowMs + trafficPauseMs;
    trafficPauseMs = Math.min(LAST_TRAFFIC_MS, trafficPauseMs * 1.5);
    fillLevels(levels, reaches, untaught, radioMap);
    const fit = learnFromTraffic({ snapshots, cells: trafficCells, levels, sensitivityDbm }, config);
    model = untaught;
    trafficGainNats = null;
    if (basis === "traffic") basis = "prior";
    if (fit === null) return true;
    trafficGainNats = fit.gainNats;
    model = {
      ...model,
      gatewayOffsetDb: model.gatewayOffsetDb.map((offsetDb, gateway) => offsetDb + (fit.offsetDb[gateway] as number)),
    };
    fillLevels(levels, reaches, model, radioMap);
    if (basis === "prior") basis = "traffic";
    calibratedAtMs = nowMs;
    return true;
  }

  const wallsCache = new Map<number, number>();

  function listening(gateway: number, nowMs: number): number {
    const heardAtMs = lastHeardMs[gateway] as number;
    if (nowMs - heardAtMs <= config.listeningForMs) return 1;
    if ((missedS[gateway] as number) > config.deadAfterMissedS) return 0;
    // Gateways advertise without a pause: who used to hear them and does not is deaf.
    if (nowMs - (lastLinkMs[gateway] as number) < Infinity) return 0;
    return heardAtMs === -Infinity ? 0.5 : 1;
  }

  function measurements(nowMs: number): LinkMeasurement[] {
    // Who sent lately, and in how many packets who hears it best heard it.
    const senders = new Map<number, number>();
    for (const { from, samples, heardAtMs } of links.values()) if (nowMs - heardAtMs <= config.linkMemoryMs) senders.set(from, Math.max(samples, senders.get(from) ?? 0));
    const found: LinkMeasurement[] = [];
    // In order of the map, so that sums do not depend on who was heard first.
    for (const [from, most] of [...senders].sort(([a], [b]) => a - b)) {
      for (let by = 0; by < count; by++) {
        if (by === from) continue;
        const a = index.gateways[from] as VenueIndex["gateways"][number];
        const b = index.gateways[by] as VenueIndex["gateways"][number];
        const floors = Math.abs(a.floor - b.floor);
        const link = links.get(from * count + by);
        const flatM = Math.hypot(a.xM - b.xM, a.yM - b.yM);
        const isHeard = link !== undefined && link.samples >= 3;
        if (!isHeard && (link !== undefined || floors > 1 || flatM > MAX_SILENT_LINK_M || listening(by, nowMs) < 1)) continue;
        const riseM = (a.floor - b.floor) * 3.5 + (a.zM ?? config.gatewayHeightM) - (b.zM ?? config.gatewayHeightM);
        found.push({
          from,
          by,
          rssiDbm: isHeard ? levelOfAllPackets(link.meanDbm, Math.min(1, link.samples / most), sensitivityDbm[by] as number) : NaN,
          pathDb: pathDbOf(Math.hypot(flatM, riseM)),
          walls: floors > 0 ? 0 : wallsOf(from, by),
          floors,
        });
      }
    }
    return found;
  }

  function wallsOf(from: number, by: number): number {
    const key = Math.min(from, by) * count + Math.max(from, by);
    let walls = wallsCache.get(key);
    if (walls === undefined) {
      const a = index.gateways[Math.min(from, by)] as VenueIndex["gateways"][number];
      const b = index.gateways[Math.max(from, by)] as VenueIndex["gateways"][number];
      walls = wallsBetween(a, b, a.floor, index);
      wallsCache.set(key, walls);
    }
    return walls;
  }

  const scarcities = new Float64Array(count).fill(NaN);

  function scarcity(gateway: number): number {
    const known = scarcities[gateway] as number;
    if (!Number.isNaN(known)) return known;
    const at = index.gateways[gateway] as IndexedGateway;
    const around = [...gatewaysNear(index, gateway)].filter((other) => {
      const { xM, yM, floor } = index.gateways[other] as IndexedGateway;
      return floor === at.floor && Math.hypot(xM - at.xM, yM - at.yM) <= AROUND_M;
    });
    const inSight = around.filter((other) => other !== gateway && wallsOf(gateway, other) === 0).length;
    const few = Math.max(radioMap === null ? LEAST_SCARCITY : 1, Math.min(MOST_SCARCITY, USUAL_GATEWAYS / around.length));
    return (scarcities[gateway] = few ** (inSight / Math.max(1, around.length - 1)));
  }

  return {
    levels,
    sensitivityDbm,
    scarcity,
    get basis() {
      return basis;
    },
    get model() {
      return model;
    },
    listening,
    doubt: () => (radioMap === null && residualDb !== null ? Math.max(1, Math.min(MOST_DOUBT, residualDb / config.usualResidualDb)) : 1),

    missed(gateway, elapsedS) {
      missedS[gateway] = (missedS[gateway] as number) + elapsedS;
    },

    noteHeard(gateway, rssiDbm, heardAtMs) {
      if (heardAtMs > (lastHeardMs[gateway] as number)) lastHeardMs[gateway] = heardAtMs;
      missedS[gateway] = 0;
      // Towards a low quantile of what it hears, quickly down and slowly up, never above the prior.
      const known = sensitivityDbm[gateway] as number;
      if (rssiDbm < known) sensitivityDbm[gateway] = Math.max(-104, known - 0.5);
      else sensitivityDbm[gateway] = Math.min(config.priorSensitivityDbm, known + 0.005);
    },

    noteLink(from, by, observation) {
      const key = from * count + by;
      const link = links.get(key);
      const { rssiDbm, heardAtMs } = observation;
      lastLinkMs[by] = Math.max(lastLinkMs[by] as number, heardAtMs);
      if (link === undefined) {
        if (links.size < MAX_LINKS) links.set(key, { from, by, meanDbm: rssiDbm, varianceDb2: 0, samples: 1, heardAtMs });
      } else {
        // A mean over what came lately: of all at first, later with a memory of LINK_SAMPLES.
        link.samples++;
        const share = 1 / Math.min(link.samples, LINK_SAMPLES);
        const offDb = rssiDbm - link.meanDbm;
        link.meanDbm += share * offDb;
        link.varianceDb2 = (1 - share) * (link.varianceDb2 + share * offDb * offDb);
        link.heardAtMs = Math.max(link.heardAtMs, heardAtMs);
      }
      isLinked = true;
    },

    surveyVotes: (links, offsetDb, nowMs) => (radioMap === null ? null : voteOf(radioMap.sounds, links, offsetDb, nowMs, config)),

    wantsSnapshot: (nowMs) => basis !== "links" && nowMs >= nextSnapshotMs,

    learn(snapshot, nowMs) {
      nextSnapshotMs = nowMs + SNAPSHOT_EVERY_MS;
      if (snapshots.length + 1 >= MIN_SNAPSHOTS && trafficDueMs === Infinity) trafficDueMs = nowMs;
      snapshots.push(snapshot);
      if (snapshots.length > MAX_SNAPSHOTS) snapshots.shift();
    },

    refresh(nowMs) {
      if (refreshByTraffic(nowMs)) return true;
      if (isLinked && dueMs === Infinity) dueMs = nowMs + FIRST_REFRESH_MS;
      // A survey was measured with tags: nothing that gateways hear of each other beats it.
      if (nowMs < dueMs || radioMap !== null) return false;
      dueMs = nowMs + pauseMs;
      pauseMs = Math.min(LAST_REFRESH_MS, pauseMs * 1.5);
      const measured = measurements(nowMs);
      if (measured.filter(({ rssiDbm }) => !Number.isNaN(rssiDbm)).length < MIN_LINKS) return false;
      const fit = calibrateByLinks(measured, count, sensitivityDbm, config);
      ({ residualDb, heardLinks, unheardLinks } = fit);
      model = { ...model, rssiAt1mDbm: fit.rssiAt1mDbm, pathLossExponent: fit.pathLossExponent, wallLossDb: fit.wallLossDb, gatewayOffsetDb: fit.gatewayOffsetDb };
      fillLevels(levels, reaches, model);
      basis = "links";
      trafficGainNats = null;
      calibratedAtMs = nowMs;
      return true;
    },

    links: () => [...links.values()],

    save() {
      const perGateway = [sensitivityDbm, lastHeardMs, lastLinkMs, missedS];
      const numbers = perGateway.map((of) => of.slice());
      const [levelDbm, steps] = [[...levels.levelDbm], [...levels.steps]];
      const [keptLinks, keptSnapshots] = [copyOf(links), [...snapshots]];
      const kept = { model, basis, residualDb, heardLinks, unheardLinks, calibratedAtMs, isLinked, dueMs, pauseMs, nextSnapshotMs, trafficDueMs, trafficPauseMs, trafficGainNats };
      return () => {
        perGateway.forEach((of, i) => of.set(numbers[i] as Float64Array));
        levelDbm.forEach((level, gateway) => (levels.levelDbm[gateway] = level));
        steps.forEach((step, gateway) => (levels.steps[gateway] = step));
        links = copyOf(keptLinks);
        snapshots = [...keptSnapshots];
        ({ model, basis, residualDb, heardLinks, unheardLinks, calibratedAtMs, isLinked, dueMs, pauseMs, nextSnapshotMs, trafficDueMs, trafficPauseMs, trafficGainNats } = kept);
      };
    },

    state: (nowMs) => ({
      basis,
      rssiAt1mDbm: model.rssiAt1mDbm,
      pathLossExponent: model.pathLossExponent,
      wallLossDb: model.wallLossDb,
      residualDb,
      trafficGainNats,
      surveySpots: radioMap?.spots ?? 0,
      heardLinks,
      unheardLinks,
      gateways: index.gateways.map(({ gatewayId }, gateway) => ({
        gatewayId,
        offsetDb: model.gatewayOffsetDb[gateway] as number,
        sensitivityDbm: sensitivityDbm[gateway] as number,
        listening: listening(gateway, nowMs) > 0,
      })),
      calibratedAtMs,
    }),
  };
}

/** From end to end of a hall: farther off a tag is hardly heard. */
const AROUND_M = 30;
/** In the simulated offices that memories were chosen in. */
const USUAL_GATEWAYS = 8;
const LEAST_SCARCITY = 2 / 3;
const MOST_SCARCITY = 2;
const MOST_DOUBT = 2;
/** Advertisements of a gateway that its mean level remembers: ten minutes at one a second. */
const LINK_SAMPLES = 600;
/** Two minutes of traffic, 600 bytes a snapshot. Learning from them takes 30 ms at ten gateways. */
const MAX_SNAPSHOTS = 100;
const SNAPSHOT_EVERY_MS = 1_000;
const FIRST_TRAFFIC_MS = 15_000;
const LAST_TRAFFIC_MS = 300_000;
/** Cells of a floor on which traffic is explained. */
const TRAFFIC_CELLS = 120;

function sampleCells(grid: VenueGrid): Int32Array {
  const cells: number[] = [];
  for (const { firstCell, cellCount } of grid.floors) {
    const stride = Math.max(1, Math.ceil(cellCount / TRAFFIC_CELLS));
    for (let cell = firstCell; cell < firstCell + cellCount; cell += stride) cells.push(cell);
  }
  return Int32Array.from(cells);
}

/** Where the map tells how high its tags are carried: their mean. */
function tagHeightOf({ tags }: VenueMap): number | null {
  const heights = tags.flatMap(({ zM }) => zM ?? []);
  return heights.length === 0 ? null : heights.reduce((sum, zM) => sum + zM, 0) / heights.length;
}

/** Fewer links than this say less than the prior. */
const MIN_LINKS = 3;

/** Who sent it, when it is a gateway of the map; -1 when a gateway that is not; null when it is a tag. */
export function senderOf(tagId: string, index: VenueIndex): number | null {
  const gatewayId = gatewayOfTag(tagId);
  return gatewayId === null ? null : (index.gatewayIndex.get(gatewayId) ?? -1);
}
