import fs from "node:fs";
import path from "node:path";
import { requireSite, type Site } from "@konferenco/cli";
import { KeyRing } from "@konferenco/fusion";
import { SUBPROTOCOL, fusionTopicFilters, sensorTopic } from "@konferenco/protocol";
import { Redis } from "ioredis";
import mqtt, { type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { newTokenAuthority } from "../../bridge/src/auth.ts";
import { deriveKeys } from "../../bridge/src/keys.ts";
import { twoRooms } from "../fusion/venues.ts";
import { konferenco, temporaryFolder, type Run } from "../support/konferenco.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import "../support/patience.ts";

const EVENT = "demo";
const CANARY = "canary7f3a91";
const [PERSON, TAG] = [`person-${CANARY}`, `tag-${CANARY}`];

/** A person with a name found nowhere else goes through broker, fusion, Redis and two bridges, each a process of its own. */
describe("an erasure through one of two bridges", () => {
  it.each([
    { erased: true, title: "leaves the name nowhere: not in Redis' files, folders, replays, retained messages or logs" },
    { erased: false, title: "is what does it: without it, all is there to be read" },
  ])("$title", async ({ erased }) => {
    const redis = await startRedis({ durable: true });
    onTestFinished(() => redis.stop());
    const scene = await openScene(redis);
    const { here, there, operator, ben, canary } = scene;
    for (const [personId, tagId] of [[PERSON, TAG], ["ben", "tag-ben"]]) {
      const profile = { personId, name: `Name of ${personId}`, role: "attendee", company: `Company of ${personId}`, interests: [personId], lookingFor: "", connections: [] };
      await here.api(operator, "POST", "/api/v1/people", { profile, consent: { given: true, version: "1" }, settings: { level: "precise", audiences: { staff: "precise" } }, tagId });
    }

    // Walks, talks, is told of an alert, is looked up.
    const [screenHere, screenThere] = [await here.screen(operator), await there.screen(operator)];
    for (const zoneId of ["left", "right"]) {
      for (const tagId of [TAG, "tag-ben"]) await scene.checkIn(tagId, zoneId);
      for (const screen of [screenHere, screenThere]) await vi.waitFor(() => expect(screen.events("zone.enter", zoneId)).toEqual(expect.arrayContaining([PERSON, "ben"])));
    }
    await there.api(canary, "POST", "/api/v1/messages", { type: "chat/direct_message", to: { type: "user", id: "ben" }, payload: { text: `it is ${CANARY}` } });
    await here.api(ben, "POST", "/api/v1/messages", { type: "chat/direct_message", to: { type: "user", id: PERSON }, payload: { text: "hello" } });
    await here.api(canary, "POST", "/api/v1/messages", { type: "chat/channel_message", to: { type: "channel", id: "app:lobby" }, payload: { text: `${CANARY} to everybody` } });
    await here.api(operator, "POST", "/api/v1/alerts", { severity: "warning", title: "Doors", text: "They close" });
    await vi.waitFor(() => expect(screenThere.text()).toContain("They close"));
    await there.api(operator, "GET", `/api/v1/people/${PERSON}/whereabouts?reason=reported%20missing`);
    expect(await there.api(canary, "GET", "/api/v1/me/audit")).toContain("reported missing");

    if (erased) {
      const receipt = await here.api(operator, "DELETE", `/api/v1/people/${PERSON}`);
      expect(receipt).not.toContain(CANARY);
      await vi.waitFor(() => expect(screenThere.text()).toMatch(new RegExp(`"op":"forget","subj":"${PERSON}"`)));
      await vi.waitFor(async () => expect(await scene.fusionMetrics()).toMatch(/^fusion_tags 1$/m));
    }
    // The tag is still worn.
    await scene.checkIn(TAG, "left");
    await scene.checkIn("tag-ben", "left");
    await vi.waitFor(() => expect(screenThere.events("zone.enter", "left").filter((id) => id === "ben")).toHaveLength(2));
    expect(await scene.fusionMetrics()).toMatch(new RegExp(`^fusion_tags ${erased ? 1 : 2}$`, "m"));
    await vi.waitFor(async () => expect(/^fusion_refused_total\{code="TAG_ERASED"\} (\d+)$/m.exec(await scene.fusionMetrics())?.[1]).toBe(erased ? "1" : undefined));

    // What can be read, at both bridges: lists, messages, whereabouts, and everything since the screens' first cursors.
    const read: Record<string, string> = {};
    for (const [name, bridge, screen] of [["here", here, screenHere], ["there", there, screenThere]] as const) {
      read[`replay ${name}`] = (await bridge.screen(operator, screen.cursor)).text();
      read[`people ${name}`] = await bridge.api(operator, "GET", "/api/v1/people");
      read[`messages ${name}`] = await bridge.api(ben, "GET", "/api/v1/sync?channels=direct,alerts,app:lobby");
    }
    for (const [what, text] of Object.entries(read)) expect.soft(text.includes(CANARY), what).toBe(!erased);
    for (const bridge of [here, there]) {
      expect(await bridge.api(operator, "GET", "/metrics")).not.toContain(CANARY);
      const whereabouts = JSON.parse(await bridge.api(operator, "GET", `/api/v1/people/${PERSON}/whereabouts?reason=reported%20missing`)) as { place: unknown };
      expect(whereabouts.place === null).toBe(erased);
    }
    expect((await scene.retained()).filter((message) => message.includes(CANARY))).toEqual([]);

    // What lies there, as it is and opened with the keys of now.
    const admin = new Redis(redis.url);
    await admin.config("SET", "rdbcompression", "no");
    await admin.save();
    admin.disconnect();
    const keys = await KeyRing.open({ folder: `${scene.data}.keys`, secret: scene.secret });
    onTestFinished(() => keys.close());
    const files = [redis.folder(), scene.data, `${scene.data}.keys`].flatMap(filesIn);
    expect(files.map((file) => path.basename(file))).toEqual(expect.arrayContaining(["dump.rdb", "ring", "erased", "site.json", expect.stringMatching(/\.aof$/)]));
    let opened = 0;
    for (const file of files) {
      const text = fs.readFileSync(file, "latin1");
      expect.soft(text.includes(CANARY), file).toBe(false);
      for (const [sealed] of text.matchAll(/[\w-]{12}(?:\+[\w-]{12})?:[\w-]{38,}/g)) if (keys.open(sealed)?.includes(CANARY) === true) opened++;
    }
    if (erased) expect(opened).toBe(0);
    else expect(opened).toBeGreaterThan(10);

    for (const run of scene.runs) expect(await run.stop(), run.stderr()).toBe(0);
    for (const run of scene.runs) expect(run.stdout() + run.stderr()).not.toContain(CANARY);
  }, 120_000);
});

interface BridgeAt {
  /** The answer's text. Throws for one that is no success. */
  api(token: string, method: string, route: string, body?: object): Promise<string>;
  /** Subscribes the venue, or takes it up again where another screen began; resolves when it has been caught up. */
  screen(token: string, resume?: string): Promise<Screen>;
}

interface Screen {
  cursor: string;
  text(): string;
  /** Subjects of the events of that type about the zone, in order. */
  events(type: string, zoneId: string): string[];
}

async function openScene(redis: TestRedis) {
  const folder = temporaryFolder("erasure");
  const data = path.join(folder, "data");
  const venueFile = path.join(folder, "venue.json");
  fs.writeFileSync(venueFile, JSON.stringify(twoRooms()));
  const env = { KONFERENCO_DATA: data, STORE_URL: redis.url, KONFERENCO_VENUE: venueFile };
  expect(await konferenco(["init"], { env }).exited).toBe(0);
  const broker = konferenco(["broker", "--mqtt-port", "0", "--mqtt-ws-port", "0", "--health-port", "0"], { env });
  const { mqttPort } = await broker.line<{ mqttPort: number }>((line) => line["event"] === "broker ready", "stderr");
  const brokerUrl = `mqtt://127.0.0.1:${mqttPort}`;
  const start = (args: string[]): Run => konferenco(args, { env: { ...env, BROKER_URL: brokerUrl } });
  const fusion = start(["fusion", "--health-port", "0"]);
  const bridges = [start(["bridge", "--port", "0"]), start(["bridge", "--port", "0"])] as const;
  const { healthPort } = await fusion.line<{ healthPort: number }>((line) => line["event"] === "fusion ready", "stderr");
  const site: Site = requireSite(data);
  const secret = Buffer.from(site.secret, "base64url");
  const authority = await newTokenAuthority(deriveKeys(secret, EVENT).token, EVENT, Date.now);
  const tokenOf = async (role: "operator" | "attendee", personId: string | null) => (await authority.issue({ role, personId })).token;
  const logIn = async (username: string, clientId: string): Promise<MqttClient> => {
    const client = await mqtt.connectAsync(brokerUrl, { protocolVersion: 4, username, password: site.applications[username] as string, clientId });
    onTestFinished(() => client.endAsync(true));
    return client;
  };
  const app = await logIn("app", "app");
  const [here, there] = await Promise.all(bridges.map(bridgeAt));
  return {
    data,
    secret,
    runs: [...bridges, fusion, broker],
    here: here as BridgeAt,
    there: there as BridgeAt,
    operator: await tokenOf("operator", null),
    ben: await tokenOf("attendee", "ben"),
    canary: await tokenOf("attendee", PERSON),
    checkIn: (tagId: string, zoneId: string) => app.publishAsync(sensorTopic(EVENT, "position"), JSON.stringify({ v: 1, source: "check-in", tagId, atMs: Date.now(), zoneId }), { qos: 1 }),
    fusionMetrics: async () => (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text(),
    /** What the broker gives to a reader of everything that comes after the others have left. */
    async retained(): Promise<string[]> {
      const reader = await logIn("fusion", "fusion/retained");
      const messages: string[] = [];
      let isLive = false;
      reader.on("message", (topic, payload, { retain }) => {
        if (retain) messages.push(`${topic} ${payload.toString()}`);
        else isLive = true;
      });
      await reader.subscribeAsync(fusionTopicFilters(EVENT), { qos: 1 });
      // Retained messages come first, what is published now after them.
      await app.publishAsync(sensorTopic(EVENT, "environment"), JSON.stringify({ v: 1, sensorId: "s", atMs: Date.now(), temperatureC: 21 }), { qos: 1 });
      await vi.waitFor(() => expect(isLive).toBe(true));
      return messages;
    },
  };
}

async function bridgeAt(run: Run): Promise<BridgeAt> {
  const { url } = await run.line<{ url: string }>((line) => line["event"] === "bridge ready", "stderr");
  return {
    async api(token, method, route, body) {
      const response = await fetch(`${url}${route}`, { method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${route} answered ${response.status}: ${text}`);
      return text;
    },
    async screen(token, resume) {
      const socket = new WebSocket(`${url.replace("http", "ws")}/events`, [SUBPROTOCOL]);
      onTestFinished(() => socket.terminate());
      const texts: string[] = [];
      const frames = () => texts.map((text) => JSON.parse(text) as { op: string; re?: number; c?: string; ev?: object[] });
      socket.on("message", (data: Buffer) => texts.push(data.toString()));
      await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
      socket.send(JSON.stringify({ op: "hello", id: 1, tok: token, ...(resume === undefined ? {} : { resume }) }));
      socket.send(JSON.stringify({ op: "sub", id: 2, ch: "venue" }));
      socket.send(JSON.stringify({ op: "sub", id: 3, ch: "alerts" }));
      await vi.waitFor(() => expect(frames().some(({ op, re }) => op === "ok" && re === 3)).toBe(true));
      if (resume !== undefined) await vi.waitFor(() => expect(frames().some(({ op }) => op === "caught")).toBe(true));
      return {
        cursor: frames().find(({ op, re }) => op === "ok" && re === 2)?.c ?? "",
        text: () => texts.join("\n"),
        events: (type, zoneId) =>
          frames()
            .flatMap((frame) => (frame.op === "b" ? (frame.ev ?? []) : [frame]) as { t?: string; d?: { zoneId?: string; subj?: { personId?: string } } }[])
            .flatMap(({ t, d }) => (t === type && d?.zoneId === zoneId ? [d.subj?.personId ?? ""] : [])),
      };
    },
  };
}

function filesIn(folder: string): string[] {
  return (fs.readdirSync(folder, { recursive: true }) as string[]).map((name) => path.join(folder, name)).filter((file) => fs.statSync(file).isFile());
}
