import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Attack } from "./attack.ts";
import { World } from "./world.ts";

const CANARY = "canary7f3a91";
const PERSON = `person-${CANARY}`;
const TAG = `t-${PERSON}`;

/** A person with a name found nowhere else goes through everything, and is erased. Who finds the name again? */
export const erasure: Attack = {
  id: "P19",
  title: "erasure canary",
  async run({ seed }) {
    const erased = await findings(seed, true);
    const control = await findings(seed, false);
    if (control === 0) throw new Error("the canary was nowhere to begin with: the attack looked at nothing");
    return { metric: "places where the canary is found after the erasure: files, answers, replay, metrics, log lines", value: erased, threshold: 0, bound: "most", naive: control, samples: 1 };
  },
};

/** The person's life, then a search of all that is left. */
async function findings(seed: string, erase: boolean): Promise<number> {
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-p19-"));
  try {
    const world = await World.open({ seed, dataDir });
    let hits = 0;
    try {
      await live(world);
      const watcher = await world.socket("operator", null);
      const resume = (await watcher.ask({ op: "sub", ch: "venue" }))["c"] as string;
      await live(world);
      if (erase) {
        const { status } = await world.ask("", `/api/v1/people/${PERSON}`, { method: "DELETE", role: "operator" });
        if (status !== 200) throw new Error(`erasing answered ${status}`);
      }
      world.pass(60_000);
      const again = await world.socket("operator", null, { resume });
      for (const ch of ["venue", "alerts", "occupancy"]) await again.ask({ op: "sub", ch });
      await again.settled();
      hits += count(JSON.stringify(again.frames));
      for (const where of ["/api/v1/people", "/api/v1/occupancy", "/metrics", "/health"]) hits += count((await world.ask("", where, { role: "operator" })).body);
      hits += count(JSON.stringify(world.logged));
    } finally {
      await world.close();
    }
    for (const file of filesIn(dataDir)) hits += count(fs.readFileSync(file, "latin1"));
    return hits;
  } finally {
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
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
