import { afterEach, expect, it, vi } from "vitest";
import { openTestBridge, type TestBridge } from "./support/harness.ts";

let test: TestBridge;
afterEach(() => test.close());

const OPERATOR = { role: "operator", personId: null } as const;
const WAIT = { timeout: 20_000, interval: 50 };

it("the slowest clients are listed for operators alone: the one that does not read first, 20 at most, and nobody's name", async () => {
  test = await openTestBridge({ limits: { pingEveryMs: 1, maxConnectionsPerViewer: 30 } });
  await test.addPerson("anna", { tagId: "t-1" });
  const stuck = await test.client("attendee", "anna", { ack: false });
  await stuck.subscribe("me");
  stuck.socket.pause();
  for (let n = 0; n < 24; n++) {
    const desk = await test.client("staff");
    void desk.until(() => desk.frames.some(({ op }) => op === "ping")).then(() => desk.send({ op: "pong" }));
  }
  await test.enter("t-1");
  const list = async () => (await test.api("GET", "/api/v1/connections/slowest", { as: OPERATOR })).body.connections as { role: string; unackedBytes: number; roundTripMs: number | null }[];
  await vi.waitFor(async () => expect(await list()).toHaveLength(20), WAIT);
  const slowest = await list();
  expect(slowest[0]).toMatchObject({ connection: 1, transport: "ws", role: "attendee", lagging: false });
  expect(slowest[0]?.unackedBytes).toBeGreaterThan(0);
  expect(slowest.slice(1).every(({ unackedBytes, roundTripMs }) => unackedBytes === 0 && roundTripMs !== null)).toBe(true);
  expect(JSON.stringify(slowest)).not.toMatch(/anna|t-1|room/);
  for (const as of [{ role: "staff", personId: null }, { role: "attendee", personId: "anna" }] as const) {
    expect((await test.api("GET", "/api/v1/connections/slowest", { as })).status).toBe(403);
  }
  stuck.socket.resume();
}, 60_000);
