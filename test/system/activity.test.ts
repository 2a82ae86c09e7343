import { connect, type DeliveredEvent } from "@konferenco/client";
import { newCrowd, newRadio, openFleet } from "@konferenco/simulators";
import { scheduleSchema, venueMapSchema } from "@konferenco/protocol";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import WebSocket from "ws";
import { describe, it } from "vitest";
import { openSystem } from "../../cli/src/up/system.ts";

// From radio over MQTT through fusion, store and bridge to a client: what somebody is doing, and which channel is near.

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
/** One room, drawn or not: a zone is then its gateways. */
const roomOf = (polygons: number[][][]) =>
  venueMapSchema.parse({
    venueId: "one-room",
    floors: [{ floor: 0, name: "ground" }],
    zones: [{ zoneId: "room", name: "Room", kind: "room", floor: 0, polygons }],
    gateways: [1, 2, 3, 4].map((n) => ({ gatewayId: `gw-${n}`, xM: n % 2 === 0 ? 8 : 0, yM: n > 2 ? 6 : 0, zM: 2, floor: 0, zoneId: "room" })),
  });
const drawn = roomOf([[[0, 0], [8, 0], [8, 6], [0, 6]]]);
const undrawn = roomOf([]);
// Two halves with a gap of a metre between them.
const gapped = roomOf([[[0, 0], [3.5, 0], [3.5, 6], [0, 6]], [[4.5, 0], [8, 0], [8, 6], [4.5, 6]]]);
const schedule = scheduleSchema.parse({
  v: 1,
  sessions: [{ sessionId: "keynote", name: "Keynote", zoneId: "room", startMs: NOW_MS - HOUR_MS, endMs: NOW_MS + HOUR_MS }],
  regions: [{ regionId: "room", name: "Questions", area: { zoneIds: ["room"] }, channelId: "questions" }],
});

// At once: each waits half a minute for the activity to hold, and does next to nothing meanwhile.
describe.concurrent("somebody who sits in the room of a session", () => {
  it.for([
    ["that is drawn", drawn] as const,
    ["that has no plan at all", undrawn] as const,
    ["of two halves with a gap between them", gapped] as const,
  ])("%s is told so, and its channel, over a real client", { timeout: 150_000 }, async ([, venue], { expect }) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-activity-"));
    const system = await openSystem({ eventId: "talks", venue, schedule, surveys: {}, rotatingTags: null, dataDir: folder, store: "memory", host: "127.0.0.1", httpPort: 0, mqttPort: 0, mqttWsPort: null, demoPersonId: null, webRoot: null, nowMs: Date.now, log: () => {} });
    const { site, broker, registry, bridge } = system;
    // The crowd needs floor to walk on; the venue's own map may have none.
    const crowd = newCrowd(drawn, "activity", { tags: 1 });
    const [tagId = ""] = crowd.tagIds;
    await registry.putPerson({ profile: { personId: "ann", name: "Ann", role: "attendee", company: "", interests: [], lookingFor: "", connections: [] }, consent: { given: true, atMs: NOW_MS - HOUR_MS, version: "1" } });
    await registry.assignTag(tagId, "ann");
    const fleet = await openFleet({
      brokerUrl: `mqtt://127.0.0.1:${broker.tcpPort}`,
      eventId: "talks",
      venue: drawn,
      credentials: { kind: "gateways", gateways: venue.gateways.map(({ gatewayId }) => ({ gatewayId, password: site.gateways[gatewayId] ?? "" })) },
      crowd,
      radio: newRadio(drawn, "activity"),
      nowMs: Date.now,
    });
    const seen: DeliveredEvent[] = [];
    const client = connect({
      url: `${bridge.url.replace(/^http/, "ws")}/events`,
      token: () => bridge.issueToken({ role: "attendee", personId: "ann" }),
      channels: [{ ch: "me" }, { ch: "nearby" }],
      WebSocket,
      onState: () => {},
      onEvent: (event) => seen.push(event),
      onSnapshot: (_channel, events) => seen.push(...events),
    });
    await expect.poll(() => seen.findLast((event) => event.t === "activity")?.d, { timeout: 120_000, interval: 250 }).toEqual({ subj: { who: "me" }, activity: { kind: "in_session", sessionId: "keynote", name: "Keynote", untilMs: NOW_MS + HOUR_MS } });
    await expect.poll(() => seen.flatMap((event) => (event.t === "channels" ? event.d.entered : [])), { timeout: 20_000 }).toEqual(["room"]);
    expect(seen.findLast((event) => event.t === "channels")?.d.channels).toMatchObject([{ channelId: "questions", distanceM: 0 }]);
    client.close();
    await fleet.close();
    await system.close();
    fs.rmSync(folder, { recursive: true });
  });
});
