import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Attack } from "./attack.ts";
import { CANARY, PERSON, live } from "./p19-erasure.ts";
import { World } from "./world.ts";

/** A person is erased; then yesterday's backup is put back over the files. Who is shown the person again? */
export const restore: Attack = {
  id: "P20",
  title: "restore of a backup after an erasure",
  async run({ seed }) {
    return { metric: "outputs about the erased person after the restore", value: await outputs(seed, true), threshold: 0, bound: "most", naive: await outputs(seed, false), samples: 1 };
  },
};

/** `keeps`: the journal of erasures survives beside the restored files, as it does where it lies apart from the backups. */
async function outputs(seed: string, keeps: boolean): Promise<number> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-p20-"));
  const [dataDir, backup] = [path.join(folder, "data"), path.join(folder, "backup")];
  const clock = { atMs: Date.UTC(2026, 5, 1, 8) };
  try {
    fs.mkdirSync(dataDir);
    const before = await World.open({ seed, dataDir, clock });
    await live(before);
    await before.close();
    fs.cpSync(dataDir, backup, { recursive: true });
    const during = await World.open({ seed, dataDir, clock });
    const { status } = await during.ask("", `/api/v1/people/${PERSON}`, { method: "DELETE", role: "operator" });
    await during.close();
    if (status !== 200) throw new Error(`erasing answered ${status}`);
    if (!keeps) {
      fs.rmSync(dataDir, { recursive: true });
      fs.mkdirSync(dataDir);
    }
    fs.cpSync(backup, dataDir, { recursive: true, force: true });
    const after = await World.open({ seed, dataDir, clock });
    try {
      await after.place([{ personId: PERSON, at: { xM: 3, yM: 3 } }]);
      await after.turn(60);
      const desk = await after.socket("operator", null);
      await desk.ask({ op: "sub", ch: "venue" });
      await desk.settled();
      const people = await after.ask("", "/api/v1/people", { role: "operator" });
      // The tag's own id names the person in this attack; what is about a thing that nobody carries does not count.
      const said = JSON.stringify(desk.frames).replaceAll(`t-${PERSON}`, "") + people.body.replaceAll(`t-${PERSON}`, "");
      return said.split(CANARY).length - 1;
    } finally {
      await after.close();
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
