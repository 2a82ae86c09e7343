import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Attack } from "./attack.ts";
import { CANARY, PERSON, filesIn, live } from "./p19-erasure.ts";
import { World } from "./world.ts";

/**
 * A person is erased; then yesterday's backup is put back: of the data, and of the ring of keys, which nobody should
 * keep. Who is shown the person again? The naive system has its list of the erased where the backup overwrites it.
 */
export const restore: Attack = {
  id: "P20",
  title: "restore of a backup after an erasure",
  async run({ seed }) {
    return { metric: "outputs about the erased person and their tag after the restore", value: await outputs(seed, true), threshold: 0, bound: "most", naive: await outputs(seed, false), samples: 1 };
  },
};

/** `apart`: the list of the erased is not in the backup's reach. */
async function outputs(seed: string, apart: boolean): Promise<number> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-p20-"));
  const [dataDir, keysDir, backup] = [path.join(folder, "data"), path.join(folder, "keys"), path.join(folder, "backup")];
  const clock = { atMs: Date.UTC(2026, 5, 1, 8) };
  try {
    fs.mkdirSync(dataDir);
    const before = await World.open({ seed, dataDir, keysDir, clock });
    await live(before);
    await before.close();
    for (const name of ["data", "keys"]) fs.cpSync(path.join(folder, name), path.join(backup, name), { recursive: true });
    const during = await World.open({ seed, dataDir, keysDir, clock });
    const { status } = await during.ask("", `/api/v1/people/${PERSON}`, { method: "DELETE", role: "operator" });
    await during.close();
    if (status !== 200) throw new Error(`erasing answered ${status}`);
    const [list] = filesIn(keysDir).filter((file) => path.basename(file) === "erased") as [string];
    const erased = fs.readFileSync(list);
    for (const name of ["data", "keys"]) fs.rmSync(path.join(folder, name), { recursive: true });
    fs.cpSync(backup, folder, { recursive: true });
    if (apart) fs.writeFileSync(list, erased);
    const after = await World.open({ seed, dataDir, keysDir, clock });
    try {
      await after.place([{ personId: PERSON, at: { xM: 3, yM: 3 } }]);
      await after.turn(60);
      const desk = await after.socket("operator", null);
      await desk.ask({ op: "sub", ch: "venue" });
      await desk.settled();
      const people = await after.ask("", "/api/v1/people", { role: "operator" });
      return (JSON.stringify(desk.frames) + people.body).split(CANARY).length - 1;
    } finally {
      await after.close();
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
