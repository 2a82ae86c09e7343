import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEmbeddedRegistry, type Registry } from "@konferenco/bridge";
import { keysOf } from "../support/keys.ts";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

// The other tests use a registry that can be broken; these two hold the bridge against the real one, on disk.

let folder: string;
let registry: Registry;
let test: TestBridge;
const open = async () => {
  registry = await openEmbeddedRegistry({ dataDir: folder, keys: keysOf(folder) });
  test = await openTestBridge({ registry, secret: new Uint8Array(Buffer.from("one secret for both lives of this bridge, 48 b.")) });
};
beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-people-"));
  await open();
});
afterEach(async () => {
  await test.close();
  await registry.close();
  fs.rmSync(folder, { recursive: true });
});

describe("with people on disk", () => {
  it("an import of 300 people gives each their tag, and all are seen", async () => {
    const rows = Array.from({ length: 300 }, (_, n) => `p-${n},Person ${n},t-${n},yes`);
    const { body } = await test.api("POST", "/api/v1/people/import", { as: { role: "operator", personId: null }, text: ["personId,name,tagId,consent", ...rows].join("\n"), type: "text/csv" });
    expect(body).toEqual({ added: 300, updated: 0, refused: 0, problems: [] });
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    for (let n = 0; n < 300; n++) await test.enter(`t-${n}`);
    await desk.until(() => desk.events.length === 300);
    expect(desk.everything).not.toMatch(/"t-\d/);
  });

  it("what somebody chose, and what may not be replayed, outlives a restart", async () => {
    await test.addPerson("anna", { tagId: "t-1", settings: { level: "hidden" } });
    expect((await test.api("PATCH", "/api/v1/me/privacy", { as: { role: "attendee", personId: "anna" }, body: { level: "zone" } })).status).toBe(200);
    const raisedAtMs = (await registry.person("anna"))?.settings.raisedAtMs;
    expect(raisedAtMs).toBeGreaterThan(0);
    await test.close();
    await registry.close();
    await open();
    expect((await registry.person("anna"))?.settings).toMatchObject({ level: "zone", raisedAtMs });
    const desk = await test.client("staff");
    await desk.subscribe("venue");
    await test.enter("t-1");
    await desk.event((event) => event.t === "zone.enter");
    expect((await test.api("PUT", "/api/v1/tags/t-2", { as: { role: "staff", personId: null }, body: { personId: "nobody" } })).status).toBe(404);
  });
});
