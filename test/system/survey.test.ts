import fs from "node:fs";
import path from "node:path";
import { connect, type DeliveredEvent } from "@konferenco/client";
import { newWifiFloor, officeRecording } from "@konferenco/simulators";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { konferenco, temporaryFolder, type Run } from "../support/konferenco.ts";

interface Ready {
  url: string;
  mqtt: string;
  logins: Record<string, { password: string }>;
}

const FREE_PORTS = ["--port", "0", "--mqtt-port", "0", "--mqtt-ws-port", "0"];
const csv = (header: string, rows: readonly (readonly (string | number | null)[])[]): string => `${[header, ...rows.map((row) => row.join(","))].join("\n")}\n`;

/** An office that somebody surveyed, and a person who walks in it afterwards: a recording's folder. */
function surveyedOffice(): string {
  const { venue, observations, survey } = officeRecording("surveyed", { forMs: 20_000, surveyEveryM: 2.5, gatewaysAdvertise: false });
  const dir = temporaryFolder("surveyed-office");
  fs.writeFileSync(path.join(dir, "venue.json"), JSON.stringify(venue));
  fs.writeFileSync(path.join(dir, "observations.csv"), csv("atMs,gatewayId,tagId,rssiDbm", observations.map((row) => [row.atMs, row.gatewayId, row.tagId, row.rssiDbm])));
  fs.writeFileSync(path.join(dir, "survey.csv"), csv("xM,yM,floor,gatewayId,rssiDbm,count", survey.map((row) => [row.xM, row.yM, row.floor, row.gatewayId, row.rssiDbm, row.count])));
  return dir;
}

/** A floor with Wi-Fi that somebody surveyed, and a phone that is walked through it. */
function surveyedFloor(): string {
  const floor = newWifiFloor({ seed: "surveyed", boxes: 8, roomsPerSide: 3, orientations: 2 });
  const dir = temporaryFolder("surveyed-floor");
  fs.writeFileSync(path.join(dir, "venue.json"), JSON.stringify(floor.venue));
  fs.writeFileSync(path.join(dir, "survey.csv"), csv("xM,yM,floor,bssid,rssiDbm,count", floor.survey.map((row) => [row.xM, row.yM, row.floor, row.bssid, row.rssiDbm, 1])));
  const walk = floor.walk({ seed: 1, phone: { offsetDb: -4, slope: 1 }, scans: 12, everyMs: 1_000 });
  fs.writeFileSync(path.join(dir, "wifi.csv"), csv("atMs,deviceId,bssid,rssiDbm", walk.flatMap((at) => at.scan.map((row) => [at.atMs, "phone", row.bssid, row.rssiDbm]))));
  return dir;
}

/** Everything but the simulation, on that venue, with a client that watches it. */
async function running(dir: string, data: string, args: string[]): Promise<{ run: Run; ready: Ready; seen: DeliveredEvent[]; until(fits: (event: DeliveredEvent) => boolean): Promise<void>; stop(): Promise<void> }> {
  const run = konferenco(["up", ...FREE_PORTS, "--no-simulation", "--store", "memory", "--data", data, "--venue", path.join(dir, "venue.json"), ...args]);
  const ready = await run.line<Ready>((line) => line["event"] === "ready");
  const response = await fetch(`${ready.url}/api/v1/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ login: "operator", password: ready.logins["operator"]?.password }) });
  const { token } = (await response.json()) as { token: string };
  const seen: DeliveredEvent[] = [];
  const waiting = new Set<() => void>();
  const client = connect({
    url: `${ready.url.replace("http", "ws")}/events`,
    token,
    channels: [{ ch: "venue" }],
    WebSocket,
    onEvent(event) {
      seen.push(event);
      for (const look of waiting) look();
    },
    onState: () => undefined,
  });
  return {
    run,
    ready,
    seen,
    until: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!seen.some(fits)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async stop() {
      client.close();
      expect(await run.stop(), run.stderr()).toBe(0);
    },
  };
}

describe("a venue that somebody has surveyed", () => {
  it("starts with the survey, says so to the console and to /metrics, and places who walks in", async () => {
    const dir = surveyedOffice();
    const data = path.join(dir, "data");
    const system = await running(dir, data, ["--survey", path.join(dir, "survey.csv")]);
    expect(system.run.stdout()).toMatch(/Survey {5}\d+ spots; levels at spots left out are foretold within \d\.\d dB/);

    const replay = konferenco(["replay", "--recording", dir, "--broker", system.ready.mqtt, "--data", data]);
    await system.until((event) => event.t === "position");
    await system.until((event) => event.t === "gateway" && event.d.calibration?.basis === "survey");
    expect(await (await fetch(`${system.ready.url}/metrics`)).text()).toMatch(/^calibration_residual_db\{basis="survey"\} \d/m);
    expect(await (await fetch(`${system.ready.url}/metrics`)).text()).toMatch(/^fusion_path_loss_exponent\{basis="survey"\} \d/m);
    expect(replay.stderr()).toContain("--survey");
    await replay.stop();
    await system.stop();
  }, 60_000);

  it("starts with a Wi-Fi survey's model, and places phones by the scans of a replayed recording", async () => {
    const dir = surveyedFloor();
    const data = path.join(dir, "data");
    const model = path.join(dir, "model.json");
    expect(await konferenco(["survey", "build", "--survey", path.join(dir, "survey.csv"), "--out", model]).exited).toBe(0);
    const system = await running(dir, data, ["--wifi-survey", model]);
    expect(system.run.stdout()).toMatch(/Survey {5}Wi-Fi: \d+ points, \d+ access points/);

    const replay = konferenco(["replay", "--recording", dir, "--broker", system.ready.mqtt, "--data", data]);
    await system.until((event) => event.t === "position");
    expect(await replay.exited, replay.stderr()).toBe(0);
    expect(replay.stderr()).toContain("--wifi-survey");
    await system.stop();
  }, 60_000);

  it("is told in one line, by file and row, what is wrong with a survey and what would be right", async () => {
    const dir = surveyedOffice();
    const data = path.join(dir, "data");
    const venue = ["--venue", path.join(dir, "venue.json"), "--data", data];
    expect(await konferenco(["init", ...venue]).exited).toBe(0);
    const file = path.join(dir, "bad.csv");
    const good = fs.readFileSync(path.join(dir, "survey.csv"), "utf8").trimEnd().split("\n");
    const cases: [args: string[], content: string, words: RegExp][] = [
      [["--survey", file], good.map((row, i) => (i === 3 ? row.replace("gw-", "rx-") : row)).join("\n"), /bad\.csv line 4: gateway "rx-\d" is not on the venue map: put it there/],
      [["--survey", file], "xM,yM,floor,bssid,rssiDbm\n1,1,0,aa:bb:cc:dd:ee:ff,-60\n", /survey of access points.*survey build.*--wifi-survey/],
      [["--survey", file], good.slice(0, 3).join("\n"), /holds \d spot\(s\), 5 are the least/],
      [["--survey", path.join(dir, "absent.csv")], "", /absent\.csv cannot be read/],
      [["--wifi-survey", path.join(dir, "survey.csv")], "", /survey\.csv is no Wi-Fi model.*survey build/],
    ];
    for (const [args, content, words] of cases) {
      fs.writeFileSync(file, content);
      const run = konferenco(["fusion", "--health-port", "0", ...venue, ...args]);
      expect(await run.exited).toBe(2);
      expect(run.stderr().trim().split("\n")).toHaveLength(1);
      expect(run.stderr()).toMatch(words);
    }
  }, 60_000);
});
