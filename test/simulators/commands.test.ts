import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { demoVenue, loadRecording } from "@konferenco/simulators";
import { registerReplayCommand } from "../../cli/src/replay/command.ts";
import { registerSimulateCommand } from "../../cli/src/simulate/command.ts";
import { openVenueBroker, type VenueBroker } from "./venue-broker.ts";

const venue = demoVenue();
let folder: string;
let broker: VenueBroker | null = null;
let printed = "";
let complained = "";

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-simulate-"));
  printed = "";
  complained = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((complained += String(text)), true));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await broker?.close();
  broker = null;
  fs.rmSync(folder, { recursive: true, force: true });
  process.exitCode = undefined;
});

async function konferenco(...args: string[]): Promise<void> {
  const program = new Command("konferenco").exitOverride();
  registerSimulateCommand(program);
  registerReplayCommand(program);
  await program.parseAsync(args, { from: "user" });
}

const lines = (): Record<string, unknown>[] => printed.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

describe("konferenco simulate", () => {
  test("--write makes a recording without a broker, the same for the same seed", async () => {
    await konferenco("simulate", "--write", `${folder}/a`, "--for", "5s", "--seed", "3", "--tags", "12");
    await konferenco("simulate", "--write", `${folder}/b`, "--for", "5s", "--seed", "3", "--tags", "12");
    expect(fs.readFileSync(`${folder}/a/observations.csv`, "utf8")).toBe(fs.readFileSync(`${folder}/b/observations.csv`, "utf8"));
    expect(loadRecording(`${folder}/a`).venue.tags).toHaveLength(12);
    expect(lines().at(-1)).toMatchObject({ written: `${folder}/b`, seed: "3" });
  });

  test("names a room that nobody can walk to", async () => {
    const shut = { ...venue, walls: [...venue.walls, [26, 9, 27.5, 9, 1]] };
    fs.writeFileSync(`${folder}/venue.json`, JSON.stringify(shut));
    await konferenco("simulate", "--venue", `${folder}/venue.json`, "--write", `${folder}/a`, "--for", "1s");
    expect(complained).toBe('nobody can walk to zone "room-b1": its walls have no gap for a door\n');
  });

  test("publishes with the gateways' own logins, one JSON line a second, truth beside", async () => {
    broker = await openVenueBroker(venue);
    const gateways = Object.fromEntries(broker.credentials.gateways.map(({ gatewayId, password }) => [gatewayId, password]));
    fs.writeFileSync(`${folder}/site.json`, JSON.stringify({ gateways }));
    await konferenco("simulate", "--broker", broker.url, "--credentials", `${folder}/site.json`, "--for", "6s", "--speed", "3", "--tags", "20", "--truth", `${folder}/truth`);
    const end = lines().at(-1);
    expect(end).toMatchObject({ gateways: 0, gatewaysInAll: venue.gateways.length, droppedReports: 0 });
    await broker.until(() => broker?.reports.length === end?.["reports"]);
    expect(lines().length).toBeGreaterThanOrEqual(3);
    const recording = loadRecording(`${folder}/truth`);
    expect(recording.observations.length).toBe(end?.["observations"]);
    expect(recording.truth.length).toBeGreaterThan(100);
  });

  test("ends cleanly when interrupted: statuses say offline, exit code 0", async () => {
    broker = await openVenueBroker(venue);
    const running = konferenco("simulate", "--broker", broker.url, "--login", "replay", "--password", "secret of replay");
    await broker.until(() => (broker?.reports.length ?? 0) > 10);
    process.emit("SIGINT");
    await running;
    expect(process.exitCode).toBeUndefined();
    expect(lines().at(-1)).toMatchObject({ gateways: 0, droppedReports: 0 });
    await broker.until(() => broker?.broker.stats().clients === 0);
  });

  test("says what is missing, and how to mend it", async () => {
    await expect(konferenco("simulate", "--write", `${folder}/a`)).rejects.toThrow(/--write needs --for/);
    await expect(konferenco("simulate", "--login", "replay")).rejects.toThrow(/--login needs --password/);
    await expect(konferenco("simulate", "--data", `${folder}/none`)).rejects.toThrow(/site.json is not there: run "konferenco init/);
    await expect(konferenco("simulate", "--anonymous", "--gateways", "gw-x")).rejects.toThrow(/no gateway "gw-x": it has gw-reg-1/);
    await expect(konferenco("simulate", "--anonymous", "--tags", "0")).rejects.toThrow(/at least one walker/);
    await expect(konferenco("simulate", "--faults", `${folder}/none.json`)).rejects.toThrow(/the fault plan .* cannot be read/);
    fs.writeFileSync(`${folder}/bad.json`, '{"gateways": ["gw-1"]}');
    await expect(konferenco("simulate", "--credentials", `${folder}/bad.json`)).rejects.toThrow(/must look like/);
    fs.writeFileSync(`${folder}/few.json`, '{"gateways": {"gw-1": "x"}}');
    await expect(konferenco("simulate", "--credentials", `${folder}/few.json`)).rejects.toThrow(/no password for gateway "gw-reg-1"/);
  });
});

describe("konferenco replay", () => {
  test("publishes a recording with the site's replay login", async () => {
    broker = await openVenueBroker(venue);
    await konferenco("simulate", "--write", `${folder}/a`, "--for", "4s", "--tags", "10");
    await konferenco("replay", "--recording", `${folder}/a`, "--broker", broker.url, "--speed", "10", "--login", "replay", "--password", "secret of replay");
    const end = lines().at(-1);
    expect(end).toMatchObject({ ended: true, waits: 0 });
    await broker.until(() => broker?.reports.length === end?.["reports"]);
    expect(broker.faults).toEqual([]);
  });

  test("without a broker ends with exit code 3 and one line", async () => {
    await konferenco("simulate", "--write", `${folder}/a`, "--for", "2s", "--tags", "10");
    const closed = await openVenueBroker(venue);
    await closed.close();
    await konferenco("replay", "--recording", `${folder}/a`, "--broker", closed.url, "--anonymous", "--connect-within", "300ms");
    expect(process.exitCode).toBe(3);
    expect(complained).toMatch(/^konferenco: no broker at mqtt:.*\n$/);
  });

  test("of a folder that is none names what would be one", async () => {
    await expect(konferenco("replay", "--recording", folder, "--anonymous")).rejects.toThrow(/holds no venue.json/);
  });
});
