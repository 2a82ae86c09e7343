import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CountReaders, ONE_LOOK_MS } from "../../bridge/src/core/count-readers.ts";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

describe("who reads exact counts", () => {
  let test: TestBridge;
  beforeEach(async () => {
    test = await openTestBridge();
  });
  afterEach(() => test.close());
  const staff = { role: "staff", personId: null } as const;
  const operator = { role: "operator", personId: null } as const;
  const readings = async () => (await test.api("GET", "/api/v1/occupancy/readers", { as: operator })).body.readings as { by: string; how: string; fromMs: number; untilMs: number }[];

  it("stands in a list for operators and in the log, whether they ask or keep a page open; others are not in it and do not see it", async () => {
    await test.addPerson("anna");
    for (const as of [staff, { role: "attendee", personId: "anna" }, { role: "display", personId: null }] as const) await test.api("GET", "/api/v1/occupancy", { as });
    const desk = await test.client("operator");
    await desk.subscribe("occupancy");
    await expect.poll(async () => (await readings()).map(({ by, how }) => `${by} ${how}`).sort(), { timeout: 20_000 }).toEqual(["login:operator live", "login:staff asked"]);
    expect(test.logged.filter((line) => (line as { event?: string }).event === "exact counts were read")).toHaveLength(2);
    for (const as of [staff, { role: "attendee", personId: "anna" }] as const) expect((await test.api("GET", "/api/v1/occupancy/readers", { as })).status).toBe(403);
  });

  it("asking again and again is one look, from when until when", async () => {
    await test.api("GET", "/api/v1/occupancy", { as: staff });
    await expect.poll(async () => (await readings()).length, { timeout: 20_000 }).toBe(1);
    test.skewMs(60_000);
    await test.api("GET", "/api/v1/occupancy", { as: staff });
    await expect.poll(async () => (await readings()).map(({ fromMs, untilMs }) => untilMs - fromMs >= 60_000), { timeout: 20_000 }).toEqual([true]);
  });

  it("the list is bounded: the oldest go", () => {
    const readers = new CountReaders();
    for (let look = 0; look < 1_000; look++) readers.note("login:desk", "asked", look * (ONE_LOOK_MS + 1));
    expect(readers.list()).toHaveLength(500);
    expect(readers.list()[0]?.fromMs).toBe(999 * (ONE_LOOK_MS + 1));
  });
});
