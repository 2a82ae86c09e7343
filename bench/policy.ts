import { defaultPrivacySettings, type Person, type Update } from "@konferenco/protocol";
import { compilePolicy, projectUpdate, type Viewer } from "@konferenco/bridge";
import { compare, row, type BenchRow } from "./harness.ts";

/** What one viewer costs when one position is shown to 10,000, beside serialising it for each. */
export async function run(): Promise<BenchRow[]> {
  const viewers = 10_000;
  const people = Array.from({ length: viewers + 1 }, (_, index) => compilePolicy(person(`p${index}`)));
  const subject = people[viewers] as (typeof people)[number];
  const audience = people.slice(0, viewers).map((self): Viewer => ({ role: "attendee", personId: self.personId, self }));
  const position = { tagId: "t", atMs: 0, xM: 3.21, yM: 4.56, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 2, confidence: 0.9, source: "beacon" as const, zoneId: "lounge" };
  const update: Update = { updateId: { epoch: "e", offset: 1 }, storedAtMs: 0, body: { kind: "position", position } };
  const { figureNs, baselineNs } = compare(
    viewers,
    () => {
      const projection = projectUpdate(update, null, () => subject);
      let bytes = 0;
      for (const viewer of audience) bytes += projection.forViewer(viewer)?.bytes ?? 0;
      return bytes;
    },
    () => {
      let bytes = 0;
      for (const viewer of audience) bytes += JSON.stringify({ t: "position", at: 0, d: { ...position, subj: { who: "person", personId: viewer.personId, name: subject.name } } }).length;
      return bytes;
    },
  );
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
