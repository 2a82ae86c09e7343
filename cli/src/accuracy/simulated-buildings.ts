import { ConfigError } from "@konferenco/protocol";
import { officeRecording, type OfficeRecordingOptions } from "@konferenco/simulators";
import type { Found } from "./find-recordings.ts";

/**
 * Radio in which the methods beside ours come out as they did in a real office of eight rooms that is not among
 * the recordings (docs/decisions/0130): walls that separate, and levels that reach through them all the same.
 */
const AS_PUBLISHED = {
  staysMs: [8_000, 45_000],
  ranges: {
    rssiAt1mDbm: [-60, -54],
    pathLossExponent: [2, 2.6],
    wallLossDb: [8, 11],
    shadowingDb: [3, 4],
    bodyLossDb: [4, 10],
    gatewayGainSigmaDb: [1, 2.5],
    sensitivityDbm: [-99, -96],
    clearShare: [0.6, 0.95],
  },
} as const satisfies OfficeRecordingOptions;

/**
 * Nearer to that office still (docs/decisions/0169): gateways in the far corners of their rooms, and beside the walls' losses
 * an exponent as in the surveys of the flat and the hall.
 */
const FAR_CORNERS = {
  ...AS_PUBLISHED,
  gatewaysAt: "far-corner",
  ranges: { ...AS_PUBLISHED.ranges, rssiAt1mDbm: [-65, -61], pathLossExponent: [1.15, 1.5], wallLossDb: [9, 11], shadowingDb: [2, 4] },
} as const satisfies OfficeRecordingOptions;

/**
 * Buildings by dice and what is different in them. Down to two floors they are what a venue may be; the others
 * are radio that no constant was chosen for: walls, law, shadows, bodies and losses beyond the usual.
 */
const CASES: Readonly<Record<string, OfficeRecordingOptions>> = {
  "office +3 dBm": { powerDbm: 3 },
  "office -6 dBm": { powerDbm: -6 },
  "office -12 dBm": { powerDbm: -12 },
  "office -18 dBm": { powerDbm: -18 },
  "three people": { powerDbm: -6, people: 3 },
  "as published +3 dBm": { powerDbm: 3, ...AS_PUBLISHED },
  "as published -6 dBm": { powerDbm: -6, ...AS_PUBLISHED },
  "as published -18 dBm": { powerDbm: -18, ...AS_PUBLISHED },
  "as published, three people": { powerDbm: -6, people: 3, ...AS_PUBLISHED },
  "as published, half of the time in the corridor": { powerDbm: -6, people: 3, corridorShare: 0.4, ...AS_PUBLISHED },
  "far corners +3 dBm": { powerDbm: 3, ...FAR_CORNERS },
  "far corners -6 dBm": { powerDbm: -6, ...FAR_CORNERS },
  "far corners -18 dBm": { powerDbm: -18, ...FAR_CORNERS },
  "far corners, three people": { powerDbm: -6, people: 3, ...FAR_CORNERS },
  "gateways at the doors": { powerDbm: -6, ...AS_PUBLISHED, gatewaysAt: "door" },
  "mute gateways": { gatewaysAdvertise: false },
  "open room": { kind: "open-room", radio: { bodyLossDb: 10 } },
  "two floors": { kind: "two-floors" },
  "no wall loss": { powerDbm: -6, radio: { wallLossDb: 0 } },
  "walls of 12 dB": { powerDbm: -6, radio: { wallLossDb: 12 } },
  "exponent 1.8": { powerDbm: -6, radio: { pathLossExponent: 1.8 } },
  "exponent 3.5": { powerDbm: -6, radio: { pathLossExponent: 3.5 } },
  "shadows of 0.7 m": { powerDbm: -6, radio: { shadowingCorrelationM: 0.7 } },
  "shadows of 8 m": { powerDbm: -6, radio: { shadowingCorrelationM: 8 } },
  "bodies of 15 dB": { powerDbm: -6, radio: { bodyLossDb: 15 } },
  "15 % of packets": { powerDbm: -6, radio: { clearShare: 0.15 } },
  "10 Hz": { powerDbm: -6, radio: { advertisingIntervalMs: 100 } },
  "1 Hz": { powerDbm: -6, radio: { advertisingIntervalMs: 1_000 } },
  "gateways 5 dB apart": { powerDbm: -6, radio: { gatewayGainSigmaDb: 5 } },
  "tags 8 dB apart": { powerDbm: -6, radio: { tagPowerSigmaDb: 8 } },
};

const MAX_SEEDS = 1_000;

/** Recordings made on the fly: every case in the buildings of these seeds, `51-60` or `7`. */
export function simulatedBuildings(seeds: string): Found[] {
  const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(seeds) ?? [];
  const from = Number(first);
  const to = Number(last ?? first);
  if (!(to >= from) || to - from >= MAX_SEEDS) throw new ConfigError(`--simulated takes seeds as 51-60, at most ${MAX_SEEDS} of them: "${seeds}" is not that`);
  return Object.entries(CASES).flatMap(([title, options]) =>
    Array.from({ length: to - from + 1 }, (_, i) => {
      const name = `simulated ${title}/${from + i}`;
      const load = () => ({ ...officeRecording(from + i, options), name, dir: "", scans: [], contacts: [], surveyFile: null });
      return { name, load };
    }),
  );
}
