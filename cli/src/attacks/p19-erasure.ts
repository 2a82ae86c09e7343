import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { KeyRing } from "@konferenco/fusion";
import type { Attack } from "./attack.ts";
import { World, secretOf } from "./world.ts";

const CANARY = "canary7f3a91";
const PERSON = `person-${CANARY}`;
const TAG = `t-${PERSON}`;

/**
 * A person with a name found nowhere else goes through everything, and is erased. Who finds the name again, in answers,
 * files and older copies of them, holding the installation's secret and keys? The naive system deletes, and keeps its keys.
 */
export const erasure: Attack = {
  id: "P19",
  title: "erasure canary",
  async run({ seed }) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-p19-"));
    const [dataDir, keysDir] = [path.join(folder, "data"), path.join(folder, "keys")];
    const [dataBefore, keysBefore] = [path.join(folder, "data-before"), path.join(folder, "keys-before")];
    fs.mkdirSync(dataDir);
    try {
      const world = await World.open({ seed, dataDir, keysDir });
      let online = 0;
      try {
        await live(world);
        const watcher = await world.socket("operator", null);
        const resume = (await watcher.ask({ op: "sub", ch: "venue" }))["c"] as string;
        await live(world);
        fs.cpSync(dataDir, dataBefore, { recursive: true });
        fs.cpSync(keysDir, keysBefore, { recursive: true });
        const { status, body } = await world.ask("", `/api/v1/people/${PERSON}`, { method: "DELETE", role: "operator" });
        if (status !== 200) throw new Error(`erasing answered ${status}`);
        online += count(body);
        // The tag is still worn, and heard.
        world.pass(60_000);
        await world.commit({ zoneTransitions: [{ transition: "enter", tagId: TAG, zoneId: "room-0-0", floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
        await world.place([{ personId: PERSON, at: { xM: 3, yM: 3 } }]);
        const again = await world.socket("operator", null, { resume });
        for (const ch of ["venue", "alerts", "occupancy"]) await again.ask({ op: "sub", ch });
        await again.settled();
        online += count(JSON.stringify(again.frames));
        for (const where of ["/api/v1/people", "/api/v1/occupancy", "/metrics", "/health"]) online += count((await world.ask("", where, { role: "operator" })).body);
        online += count(JSON.stringify(world.logged));
      } finally {
        await world.close();
      }
      const files = [dataDir, keysDir, dataBefore].flatMap(filesIn).map((file) => fs.readFileSync(file, "latin1"));
      const inFiles = async (keys: string) => count(files.join("\n")) + (await opened(files, { folder: keys, secret: secretOf(seed) }));
      return {
        metric: "places where the canary is found after the erasure: answers, replay, metrics, log lines, files, and files of before opened with the keys of now",
        value: online + (await inFiles(keysDir)),
        threshold: 0,
        bound: "most",
        naive: online + (await inFiles(keysBefore)),
        samples: 1,
      };
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** How often the canary stands in what the keys open. */
async function opened(files: readonly string[], ring: { folder: string; secret: Uint8Array }): Promise<number> {
  const keys = await KeyRing.open(ring);
  let hits = 0;
  for (const text of files) for (const [sealed] of text.matchAll(/[\w-]{12}(?:\+[\w-]{12})?:[\w-]{38,}/g)) hits += count(keys.open(sealed) ?? "");
  keys.close();
  return hits;
}

/** Known, carried, measured, moved, written down. */
export async function live(world: World): Promise<void> {
  await world.addPerson(PERSON, { name: `Name ${CANARY}`, company: `Company ${CANARY}`, interests: [CANARY], settings: { level: "precise", audiences: { staff: "precise" } } });
  await world.place([{ personId: PERSON, at: { xM: 3, yM: 3 } }]);
  for (const transition of ["enter", "dwell", "exit"] as const) await world.commit({ zoneTransitions: [{ transition, tagId: TAG, zoneId: "room-0-0", floor: 0, atMs: world.nowMs, confidence: 0.9 }] });
  await world.commit({ proximityTransitions: [{ transition: "near", tagA: "t-other", tagB: TAG, atMs: world.nowMs, distanceM: 1, confidence: 0.9 }] });
  world.pass(1_000);
  await world.turn(60);
}

function count(text: string): number {
  return text.split(CANARY).length - 1;
}

export function filesIn(folder: string): string[] {
  return (fs.readdirSync(folder, { recursive: true }) as string[]).map((name) => path.join(folder, name)).filter((file) => fs.statSync(file).isFile());
}

export { CANARY, PERSON };
