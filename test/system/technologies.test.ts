import { connect, type DeliveredEvent } from "@konferenco/client";
import { buildWifiModel, surveyOfRows } from "@konferenco/fusion";
import { EMPTY_SCHEDULE, venueMapSchema } from "@konferenco/protocol";
import { newRandom } from "@konferenco/simulators";
import fs from "node:fs";
import mqtt from "mqtt";
import os from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { expect, it } from "vitest";
import { openSystem } from "../../cli/src/up/system.ts";

// Requirement B13 through the real parts: radio over MQTT, fusion, store, bridge, and a client over a WebSocket.

const room = (zoneId: string, x0M: number) => ({ zoneId, floor: 0, polygons: [[[x0M, 0], [x0M + 10, 0], [x0M + 10, 10], [x0M, 10]]] });
const venue = venueMapSchema.parse({
  venueId: "b13",
  zones: [room("zone-a", 0), room("zone-b", 10)],
  gateways: [{ gatewayId: "gw-a", xM: 5, yM: 5, floor: 0 }, { gatewayId: "gw-b", xM: 15, yM: 5, floor: 0 }],
});
const accessPoints = [[1, 1], [9, 9], [11, 1], [19, 9]].map(([xM, yM], i) => ({ bssid: `02:00:00:00:00:0${i}`, xM: xM as number, yM: yM as number }));

/** A survey every two metres, four scans each, through a wall of 6 dB between the rooms. */
function surveyed() {
  const dice = newRandom("b13");
  const levels = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].flatMap((xM) =>
    [1, 3, 5, 7, 9].flatMap((yM) =>
      [1, 2, 3, 4].flatMap(() =>
        accessPoints.map((point) => {
          const rangeM = Math.max(1, Math.hypot(xM - point.xM, yM - point.yM));
          const wallDb = xM < 10 === point.xM < 10 ? 0 : 6;
          return { xM, yM, floor: 0, bssid: point.bssid, rssiDbm: Math.round(-38 - 25 * Math.log10(rangeM) - wallDb + 3 * dice.gaussian()), count: 1 };
        }),
      ),
    ),
  );
  return buildWifiModel(surveyOfRows(levels));
}

it("a beacon of zone-a at -65 dBm and a Wi-Fi scan at -50 put a person into zone-a, by fusion, with more than 0.8 confidence", { timeout: 120_000 }, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-b13-"));
  const system = await openSystem({ eventId: "b13", venue, schedule: EMPTY_SCHEDULE, surveys: { wifiSurvey: surveyed() }, rotatingTags: null, dataDir: folder, store: "memory", host: "127.0.0.1", httpPort: 0, mqttPort: 0, mqttWsPort: null, demoPersonId: null, webRoot: null, nowMs: Date.now, log: () => {} });
  const { site, broker, registry, bridge } = system;
  await registry.putPerson({ profile: { personId: "user-123", name: "Ann", role: "attendee", company: "", interests: [], lookingFor: "", connections: [] }, consent: { given: true, atMs: 0, version: "1" } });
  await registry.assignTag("tag-123", "user-123");
  const seen: DeliveredEvent[] = [];
  const client = connect({
    url: `${bridge.url.replace(/^http/, "ws")}/events`,
    token: () => bridge.issueToken({ role: "attendee", personId: "user-123" }),
    channels: [{ ch: "me" }],
    WebSocket,
    onState: () => {},
    onEvent: (event) => seen.push(event),
    onSnapshot: (_channel, events) => seen.push(...events),
  });
  const url = `mqtt://127.0.0.1:${broker.tcpPort}`;
  const gateway = await mqtt.connectAsync(url, { clientId: "gw-a", username: "gw-a", password: site.gateways["gw-a"] as string });
  const app = await mqtt.connectAsync(url, { clientId: "app/phone", username: "app", password: site.applications["app"] as string });
  const nowMs = Date.now();
  await gateway.publishAsync("konferenco/b13/beacon/zone-a", JSON.stringify({ v: 1, gatewayId: "gw-a", bootId: "b", seq: 0, sentAtMs: nowMs, tagId: ["tag-123"], rssiDbm: [-65], heardAtMs: [nowMs - 20] }), { qos: 0 });
  await app.publishAsync("konferenco/b13/sensor/wifi-scan", JSON.stringify({ v: 1, tagId: "tag-123", heardAtMs: nowMs, bssid: [accessPoints[0]?.bssid, accessPoints[1]?.bssid], rssiDbm: [-50, -55] }), { qos: 1 });

  // The two may come a tick apart.
  const fused = () => seen.flatMap((event) => (event.t === "position" && event.d.source === "fusion" ? [event.d] : []))[0];
  await expect.poll(fused, { timeout: 20_000 }).toMatchObject({ subj: { who: "me" }, zoneId: "zone-a" });
  expect(fused()?.confidence).toBeGreaterThan(0.8);
  client.close();
  await Promise.all([gateway.endAsync(), app.endAsync()]);
  await system.close();
  fs.rmSync(folder, { recursive: true });
});
