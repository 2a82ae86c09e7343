import fs from "node:fs";
import path from "node:path";
import { recordMeetings, type Recording } from "@konferenco/simulators";

/** The project's own folder: this file is in cli/src/accuracy or cli/dist/accuracy. */
const ROOT = path.resolve(import.meta.dirname, "../../..");
const FIXTURES = path.join(ROOT, "test/fixtures/recordings");
/** A larger collection beside the project, where there is one. */
const SHARED = path.resolve(ROOT, "../shared/recordings");

/** Folders that hold a venue.json and what was heard, at any depth, in order of name. */
export function findRecordings(dir: string): string[] {
  if (!fs.existsSync(dir)) return [];
  if (fs.existsSync(path.join(dir, "venue.json")) && ["observations.csv", "wifi.csv"].some((file) => fs.existsSync(path.join(dir, file)))) return [dir];
  return fs
    .readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => path.join(dir, entry.name))
    .sort()
    .flatMap(findRecordings);
}

/** Made on the fly, the same bytes every time: several tags and gateways that hear each other, which the real ones lack. */
export const SIMULATED: Readonly<Record<string, () => Recording>> = {
  "simulated/office-1": () => recordMeetings(1, { people: 3, forMs: 180_000 }),
  "simulated/office-2": () => recordMeetings(2, { people: 1, forMs: 120_000, radio: { rssiAt1mDbm: -66, bodyLossDb: 10 } }),
  "simulated/hall-3": () => recordMeetings(3, { kind: "hall", people: 4, forMs: 120_000, radio: { wallLossDb: 0 } }),
};

export interface Found {
  name: string;
  load: string | (() => Recording);
}

/** The recordings of a run over all: the folder named, or the project's own, those beside it, and the simulated ones. Same names count once. */
export function allRecordings(dir: string | undefined): { found: Found[]; note: string | null } {
  const folders = dir === undefined ? [...findRecordings(FIXTURES), ...findRecordings(SHARED)] : findRecordings(path.resolve(dir));
  const byName = new Map<string, Found>();
  // A twin beside the project may have a survey with it: it wins.
  for (const folder of folders) {
    const name = path.join(path.basename(path.dirname(folder)), path.basename(folder));
    byName.set(name, { name, load: folder });
  }
  const simulated = dir === undefined ? Object.entries(SIMULATED).map(([name, load]) => ({ name, load })) : [];
  const note = dir === undefined && findRecordings(SHARED).length === 0 ? "no recordings in ../shared/recordings: only those of test/fixtures/recordings and the simulated ones" : null;
  return { found: [...[...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), ...simulated], note };
}

/** Of the baseline: what every clone has. */
export function baselineRecordings(): Found[] {
  const fixtures = findRecordings(FIXTURES).map((folder) => ({ name: path.join(path.basename(path.dirname(folder)), path.basename(folder)), load: folder }));
  return [...fixtures, ...Object.entries(SIMULATED).map(([name, load]) => ({ name, load }))];
}
