import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Redis } from "ioredis";
import { KeyRing, emptyBatch, openRedisStore } from "@konferenco/fusion";
import { row, type BenchRow } from "./harness.ts";
import { clockMs, startChild } from "./support/child.ts";
import { temporaryFolder } from "./support/files.ts";
import { newDice, quantile } from "./support/quantile.ts";
import { RawClient } from "./support/raw-client.ts";
import { startRedis } from "./support/redis.ts";
import { BRIDGE_FLAGS, pause, tokensOf } from "./support/scene.ts";
import { somewhere, tagName } from "./support/traffic.ts";

const CHANGES = 200;
/** Somebody who walks is written at every tick; here ten times as often, so that a frame that comes too late is not missed. */
const MOVE_EVERY_MS = 50;
/** After a change: long enough that whatever still comes has come. */
const SETTLE_MS = 600;
const SHOWN_WITHIN_MS = 5_000;

/**
 * Two bridges on one Redis: from the acknowledged "hidden" at the one until the last frame about the person (their
 * place, or the word to forget them) at a screen of the other; 0 when that was there before the acknowledgement.
 * And the same from the request on. Beside a bare Redis publish to a subscriber.
 */
export async function run(): Promise<BenchRow[]> {
  const redis = await startRedis();
  const [dataDir, secret] = [temporaryFolder("privacy-change"), randomBytes(48)];
  const open = { redis: redis.url, dataDir, secret };
  const [here, there] = [startChild("bridge-process", BRIDGE_FLAGS), startChild("bridge-process", BRIDGE_FLAGS)];
  const [herePort, therePort] = [await here.ask<number>("open", open), await there.ask<number>("open", open)];
  await here.ask("people", { seed: 1, count: 1 });
  const [own = ""] = await tokensOf(here, [{ role: "attendee", personId: "p0" }]);
  const [screen = ""] = await tokensOf(there, [{ role: "operator", personId: null }]);
  const keys = await KeyRing.open({ folder: `${dataDir}/keys`, secret });
  const store = await openRedisStore({ eventId: "bench", url: redis.url, keys, origin: { lat: 50.11, lon: 8.68, bearingDeg: 0 } });
  const dice = newDice(1);
  const walk = setInterval(() => void store.commit({ ...emptyBatch(), positions: [{ ...somewhere(0, dice, 1), tagId: tagName(0) }] }, Date.now()), MOVE_EVERY_MS);

  const seen = { framesOfPerson: 0, lastAtMs: -Infinity, told: () => {} };
  const client = new RawClient(0, therePort, {
    open: (self) => {
      self.send(JSON.stringify({ op: "hello", id: 1, tok: screen }));
      self.send(JSON.stringify({ op: "sub", id: 2, ch: "venue" }));
    },
    text: (self, payload) => {
      const text = payload.toString("utf8");
      const { s, ev } = JSON.parse(text) as { s?: number; ev?: unknown[] };
      if (s !== undefined) self.send(JSON.stringify({ op: "ack", s: s + (ev?.length ?? 1) - 1 }));
      if (!text.includes('"p0"')) return;
      seen.framesOfPerson++;
      seen.lastAtMs = clockMs();
      seen.told();
    },
    closed: (_self, code) => {
      if (!isOver) throw new Error(`privacy-change: the screen was closed (${code})`);
    },
  });
  let isOver = false;
  const shown = async (): Promise<void> => {
    const before = seen.framesOfPerson;
    const patience = setTimeout(() => {
      throw new Error("privacy-change: the person does not come back on the screen");
    }, SHOWN_WITHIN_MS);
    while (seen.framesOfPerson === before) await new Promise<void>((resolve) => (seen.told = resolve));
    clearTimeout(patience);
  };
  const set = async (level: "hidden" | "precise"): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${herePort}/api/v1/me/privacy`, { method: "PATCH", headers: { authorization: `Bearer ${own}`, "content-type": "application/json" }, body: JSON.stringify({ level }) });
    const atMs = clockMs();
    if (!answer.ok) throw new Error(`privacy-change: ${answer.status} ${await answer.text()}`);
    return atMs;
  };

  await shown();
  const [sinceAcknowledged, sinceAsked, baselines]: [number[], number[], number[]] = [[], [], []];
  const [publisher, subscriber] = [new Redis(redis.url), new Redis(redis.url)];
  await subscriber.subscribe("bench");
  for (let index = 0; index < CHANGES; index++) {
    const askedAtMs = clockMs();
    const acknowledgedAtMs = await set("hidden");
    await pause(SETTLE_MS);
    sinceAcknowledged.push(Math.max(0, seen.lastAtMs - acknowledgedAtMs));
    sinceAsked.push(seen.lastAtMs - askedAtMs);
    const back = shown();
    await set("precise");
    await back;
    const beganMs = clockMs();
    const heard = once(subscriber, "message");
    await publisher.publish("bench", "hidden");
    await heard;
    baselines.push(clockMs() - beganMs);
  }
  isOver = true;
  clearInterval(walk);
  publisher.disconnect();
  subscriber.disconnect();
  client.socket.destroy();
  await store.close();
  keys.close();
  await Promise.all([here.kill(), there.kill()]);
  await redis.stop();
  const last = "to the last frame at another bridge";
  return [
    row("privacy-change", `from an acknowledged "hidden" ${last}, p99`, "ms", quantile(sinceAcknowledged, 0.99), quantile(baselines, 0.99)),
    row("privacy-change", `from the asked "hidden" ${last}, p50`, "ms", quantile(sinceAsked, 0.5), quantile(baselines, 0.5)),
    row("privacy-change", `from the asked "hidden" ${last}, p99`, "ms", quantile(sinceAsked, 0.99), quantile(baselines, 0.99)),
  ];
}
