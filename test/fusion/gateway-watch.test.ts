import { describe, expect, it } from "vitest";
import { newGatewayWatch } from "../../fusion/src/gateway-watch.ts";
import { twoRooms } from "./venues.ts";

const noOffset = () => ({ clockOffsetMs: 12 });
const online = (gatewayId: string, isOnline = true) => ({ v: 1 as const, gatewayId, online: isOnline });

describe("the health of gateways", () => {
  it("all of the map's gateways are offline until they are heard, and that is told", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    expect(watch.changes(500, noOffset).map(({ gatewayId, state }) => `${gatewayId} ${state}`)).toEqual(["left-middle offline", "left-corner offline", "right-middle offline", "right-corner offline"]);
    expect(watch.changes(1_000, noOffset)).toEqual([]);
  });

  it("one that reports is online, with its rate and the offset of its clock", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    watch.changes(0, noOffset);
    watch.noteReport("left-middle", 30, 5_000);
    expect(watch.changes(10_000, noOffset)).toEqual([{ gatewayId: "left-middle", state: "online", atMs: 10_000, lastReportAtMs: 5_000, observationsPerS: 3, clockOffsetMs: 12 }]);
  });

  it("one that says it is there and hears nothing for 15 s is silent: a deaf radio", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    watch.noteReport("left-middle", 5, 0);
    watch.changes(1_000, noOffset);
    watch.noteStatus(online("left-middle"), 15_000);
    watch.noteReport("left-middle", 0, 16_000);
    expect(watch.changes(16_000, noOffset).filter(({ gatewayId }) => gatewayId === "left-middle")).toMatchObject([{ state: "silent", lastReportAtMs: 0 }]);
  });

  it("a last will takes it offline at once, a report brings it back", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    watch.noteReport("left-middle", 5, 1_000);
    watch.changes(1_000, noOffset);
    watch.noteStatus(online("left-middle", false), 2_000);
    expect(watch.changes(2_000, noOffset)).toMatchObject([{ gatewayId: "left-middle", state: "offline" }]);
    watch.noteReport("left-middle", 5, 3_000);
    expect(watch.changes(3_000, noOffset)).toMatchObject([{ gatewayId: "left-middle", state: "online" }]);
    expect(watch.counts()).toEqual({ online: 1, silent: 0, offline: 3 });
  });

  it("one of which nothing is heard for 50 s is offline, although no last will came", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    watch.noteReport("left-middle", 5, 0);
    watch.changes(0, noOffset);
    watch.changes(16_000, noOffset);
    expect(watch.changes(50_000, noOffset)).toEqual([]);
    expect(watch.changes(50_001, noOffset)).toMatchObject([{ gatewayId: "left-middle", state: "offline" }]);
  });

  it("a healthy one is told again every ten seconds, a stranger never", () => {
    const watch = newGatewayWatch(twoRooms(), 0);
    watch.changes(0, noOffset);
    let told = 0;
    for (let atMs = 500; atMs <= 60_000; atMs += 500) {
      watch.noteReport("left-middle", 1, atMs);
      watch.noteReport("stranger", 1, atMs);
      told += watch.changes(atMs, noOffset).length;
    }
    expect(told).toBe(6);
  });
});
