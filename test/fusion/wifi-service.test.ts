import { describe, expect, it } from "vitest";
import { sensorTopic } from "@konferenco/protocol";
import { KeyRing, buildWifiModel, openFusionService, surveyOfRows, tagSubject } from "@konferenco/fusion";
import { newWifiFloor } from "@konferenco/simulators";
import { fakeStore } from "./fake-store.ts";

describe("a venue with a Wi-Fi survey", () => {
  it("places phones by what they hear, and does not count them among those that it has no place for", async () => {
    const floor = newWifiFloor({ seed: "service", boxes: 8, roomsPerSide: 3, orientations: 2 });
    const store = fakeStore();
    const service = openFusionService({ eventId: "demo", venue: floor.venue, store, nowMs: () => 0, time: "report", log: () => {}, wifiSurvey: buildWifiModel(surveyOfRows(floor.survey)) });
    const send = (heardAtMs: number, rows: { bssid: string; rssiDbm: number }[]) =>
      service.ingest({
        topic: sensorTopic("demo", "wifi-scan"),
        payload: new TextEncoder().encode(JSON.stringify({ v: 1, tagId: "phone", heardAtMs, bssid: rows.map((row) => row.bssid), rssiDbm: rows.map((row) => row.rssiDbm) })),
        gatewayId: null,
        receivedAtMs: heardAtMs,
      });
    for (const { atMs, scan } of floor.walk({ seed: 1, phone: { offsetDb: 0, slope: 1 }, scans: 5 })) await send(atMs, scan);
    await send(60_000, [{ bssid: "ff:00:00:00:00:01", rssiDbm: -40 }]);
    // A scan waits for the tick after it.
    await send(60_500, [{ bssid: "ff:00:00:00:00:01", rssiDbm: -40 }]);
    await service.flush();
    expect(service.stats()).toMatchObject({ unplaceable: 1, tags: 1 });
    expect(service.stats().positions).toBeGreaterThan(50);
    await service.close();
  });

  it("tells of a phone that lies on a table at least once a second, whenever it scans", async () => {
    const floor = newWifiFloor({ seed: "service", boxes: 8, roomsPerSide: 3, orientations: 2 });
    const store = fakeStore();
    const service = openFusionService({ eventId: "demo", venue: floor.venue, store, nowMs: () => 0, time: "report", log: () => {}, wifiSurvey: buildWifiModel(surveyOfRows(floor.survey)) });
    const scan = floor.walk({ seed: 1, phone: { offsetDb: 0, slope: 1 }, scans: 1 })[0]?.scan ?? [];
    for (let i = 0; i < 25; i++) {
      const heardAtMs = 60_000 + 4_187 * i;
      const payload = new TextEncoder().encode(JSON.stringify({ v: 1, tagId: "phone", heardAtMs, bssid: scan.map((row) => row.bssid), rssiDbm: scan.map((row) => row.rssiDbm) }));
      await service.ingest({ topic: sensorTopic("demo", "wifi-scan"), payload, gatewayId: null, receivedAtMs: heardAtMs });
    }
    await service.flush();
    const times = store.commits.flatMap(({ batch }) => batch.positions.map(({ atMs }) => atMs));
    const pausesMs = times.slice(1).map((atMs, i) => atMs - (times[i] as number));
    expect(times.length).toBeGreaterThan(95);
    expect(Math.max(...pausesMs)).toBeLessThanOrEqual(1_000);
    await service.close();
  });

  it("learns nothing of a phone that is erased between its scan and the tick", async () => {
    const floor = newWifiFloor({ seed: "service", boxes: 8, roomsPerSide: 3, orientations: 2 });
    const model = buildWifiModel(surveyOfRows(floor.survey));
    let located = 0;
    const keys = KeyRing.inMemory();
    const counted = { ...model, locate: (...told: Parameters<typeof model.locate>) => (located++, model.locate(...told)) };
    const service = openFusionService({ eventId: "demo", venue: floor.venue, store: fakeStore(), keys, nowMs: () => 0, time: "report", log: () => {}, wifiSurvey: counted });
    const scan = floor.walk({ seed: 1, phone: { offsetDb: 0, slope: 1 }, scans: 1 })[0]?.scan ?? [];
    const send = (tagId: string, heardAtMs: number) =>
      service.ingest({
        topic: sensorTopic("demo", "wifi-scan"),
        payload: new TextEncoder().encode(JSON.stringify({ v: 1, tagId, heardAtMs, bssid: scan.map((row) => row.bssid), rssiDbm: scan.map((row) => row.rssiDbm) })),
        gatewayId: null,
        receivedAtMs: heardAtMs,
      });
    keys.keyFor(tagSubject("ann"));
    await send("ann", 60_100);
    await keys.erase([tagSubject("ann")], { forGood: true });
    await send("ben", 60_600);
    await send("ben", 61_600);
    await service.flush();
    expect(located).toBe(1);
    await service.close();
  });
});
