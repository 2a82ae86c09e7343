import { defaultPrivacySettings, type Person, type Update } from "@konferenco/protocol";
import { compilePolicy, projectUpdate, type Viewer } from "@konferenco/bridge";
import { compare, row, type BenchRow } from "./harness.ts";

const VIEWERS = 10_000;
/** Few for a tick of a bridge with so many viewers, which sends hundreds. */
const UPDATES_PER_TICK = 8;
/** A bridge has shown so many before its first seconds are over: its code is compiled. */
const WARM_UP_TICKS = 20;

/** What one viewer costs when a tick's positions are shown to 10,000, beside serialising each for each. */
export async function run(): Promise<BenchRow[]> {
  const people = Array.from({ length: VIEWERS + UPDATES_PER_TICK }, (_, index) => compilePolicy(person(`p${index}`)));
  const audience = people.slice(0, VIEWERS).map((self): Viewer => ({ role: "attendee", personId: self.personId, self }));
  const subjects = people.slice(VIEWERS);
  const position = { tagId: "t", atMs: 0, xM: 3.21, yM: 4.56, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 2, confidence: 0.9, source: "beacon" as const, zoneId: "lounge" };
  const update: Update = { updateId: { epoch: "e", offset: 1 }, storedAtMs: 0, body: { kind: "position", position } };
  const resolve = () => {
    let bytes = 0;
    for (const subject of subjects) {
      const projection = projectUpdate(update, null, () => subject);
      for (const viewer of audience) bytes += projection.forViewer(viewer)?.bytes ?? 0;
    }
    return bytes;
  };
  for (let tick = 0; tick < WARM_UP_TICKS; tick++) resolve();
  const { figureNs, baselineNs } = compare(VIEWERS * UPDATES_PER_TICK, resolve, () => {
    let bytes = 0;
    for (const subject of subjects) for (const viewer of audience) bytes += JSON.stringify({ t: "position", at: 0, d: { ...position, subj: { who: "person", personId: viewer.personId, name: subject.name } } }).length;
    return bytes;
  });
  return [row("policy", "what one viewer may see of one update", "ns", figureNs, baselineNs)];
}

function person(personId: string): Person {
  const settings = defaultPrivacySettings();
  return {
    profile: { personId, name: personId, role: "attendee", company: "", interests: [], lookingFor: "", connections: [] },
    tagId: null,
    consent: { given: true, atMs: 0, version: "1" },
    settings: { ...settings, level: "precise", audiences: { ...settings.audiences, attendees: "precise" } },
  };
}
