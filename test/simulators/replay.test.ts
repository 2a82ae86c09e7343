import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { demoVenue, loadRecording, openReplay, recordSimulation, reportsOfRecording, type Recording } from "@konferenco/simulators";
import { openVenueBroker, type VenueBroker } from "./venue-broker.ts";

const venue = demoVenue();
const login = { name: "replay", password: "secret of replay" };
let folder: string;
let recording: Recording;
let broker: VenueBroker | null = null;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-replay-"));
  const { dir } = await recordSimulation({ dir: path.join(folder, "a"), venue, seed: 5, forMs: 10_000, crowd: { tags: 20 } });
  recording = loadRecording(dir);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await broker?.close();
  broker = null;
});

describe("a replay", () => {
  test("sends the recording's reports in their order, all of them, with the times asked for", async () => {
    broker = await openVenueBroker(venue);
    const replay = await openReplay({ recording, brokerUrl: broker.url, eventId: "demo", login, speed: 50, startAtMs: 0, nowMs: Date.now });
    await replay.done;
    const expected = [...reportsOfRecording(recording, { eventId: "demo", startAtMs: 0 })];
    await broker.until(() => broker?.reports.length === expected.length);
    expect(broker.reports.map(({ topic, report }) => ({ topic, report }))).toEqual(expected.map(({ topic, report }) => ({ topic, report })));
    expect(replay.stats()).toMatchObject({ reports: expected.length, waits: 0, ended: true });
    expect(replay.stats().observations).toBe(expected.reduce((sum, { report }) => sum + report.tagId.length, 0));
  });

  test("plays as of now by default, in the same batches, and takes as long as the speed says", async () => {
    broker = await openVenueBroker(venue);
    const beganAtMs = Date.now();
    const replay = await openReplay({ recording, brokerUrl: broker.url, eventId: "demo", login, speed: 10, nowMs: Date.now });
    await replay.done;
    expect(Date.now() - beganAtMs).toBeGreaterThan(850);
    expect(Date.now() - beganAtMs).toBeLessThan(5_000);
    const shiftMs = Math.floor(beganAtMs / 500) * 500;
    const first = broker.reports[0]?.report.sentAtMs ?? 0;
    expect(first).toBeGreaterThanOrEqual(shiftMs);
    expect(first).toBeLessThan(shiftMs + 2_000);
    const sizes = [...reportsOfRecording(recording)].map(({ report }) => report.tagId.length);
    await broker.until(() => broker?.reports.length === sizes.length);
    expect(broker.reports.map(({ report }) => report.tagId.length)).toEqual(sizes);
  });

  test("of a recording in Unix time begins at once, in its own time or as of now", async () => {
    broker = await openVenueBroker(venue);
    const beganAtMs = Math.floor(Date.now() / 500) * 500;
    const unixMs = Date.UTC(2024, 5, 1);
    const unix = { ...recording, observations: recording.observations.map((row) => ({ ...row, atMs: row.atMs + unixMs })) };
    for (const startAt of [{ startAtMs: 0 }, {}]) {
      const replay = await openReplay({ recording: unix, brokerUrl: broker.url, eventId: "demo", login, speed: 10, ...startAt, nowMs: Date.now });
      await broker.until(() => replay.stats().replayedMs > 2_000);
      await replay.close();
      expect(replay.stats().replayedMs).toBeLessThanOrEqual(11_000);
    }
    const [own, asOfNow] = [broker.reports[0]?.report.sentAtMs ?? 0, broker.reports.at(-1)?.report.sentAtMs ?? 0];
    expect(Math.abs(own - unixMs)).toBeLessThan(2_000);
    expect(asOfNow).toBeGreaterThanOrEqual(beganAtMs);
    expect(asOfNow).toBeLessThan(beganAtMs + 60_000);
  });

  test("ends early when closed, and says how far it came", async () => {
    broker = await openVenueBroker(venue);
    const replay = await openReplay({ recording, brokerUrl: broker.url, eventId: "demo", login, speed: 1, nowMs: Date.now });
    await broker.until(() => (broker?.reports.length ?? 0) > 0);
    await replay.close();
    await replay.done;
    expect(replay.stats().ended).toBe(false);
    expect(replay.stats().replayedMs).toBeLessThan(9_000);
  });

  test("with a wrong password is refused with the remedy", async () => {
    broker = await openVenueBroker(venue);
    await expect(openReplay({ recording, brokerUrl: broker.url, eventId: "demo", login: { ...login, password: "guess" }, nowMs: Date.now })).rejects.toThrow(/turned "replay" away.*--password/);
  });
});
