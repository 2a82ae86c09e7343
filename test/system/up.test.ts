import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { connect, type DeliveredEvent } from "@konferenco/client";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { konferenco, temporaryFolder } from "../support/konferenco.ts";

interface Ready {
  url: string;
  console: string;
  attendee: string;
  mqtt: string;
  logins: Record<string, { password: string; role: string }>;
  data: string;
}

const FREE_PORTS = ["--port", "0", "--mqtt-port", "0", "--mqtt-ws-port", "0"];

async function login(ready: Ready, name: string): Promise<string> {
  const response = await fetch(`${ready.url}/api/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ login: name, password: ready.logins[name]?.password }),
  });
  expect(response.ok).toBe(true);
  return ((await response.json()) as { token: string }).token;
}

describe("konferenco up", () => {
  it("runs a simulated venue, shows it to a client of one's own, ends by itself and reports what it did", async () => {
    const folder = temporaryFolder("up");
    const report = path.join(folder, "r.json");
    const run = konferenco(["up", ...FREE_PORTS, "--data", path.join(folder, "data"), "--for", "12s", "--report", report]);
    const ready = await run.line<Ready>((line) => line["event"] === "ready");

    const seen: DeliveredEvent[] = [];
    const client = connect({
      url: `${ready.url.replace("http", "ws")}/events`,
      token: await login(ready, "operator"),
      channels: [{ ch: "venue" }],
      WebSocket,
      onEvent: (event) => seen.push(event),
      onState: () => undefined,
    });
    expect(await run.exited).toBe(0);
    client.close();

    const figures = JSON.parse(fs.readFileSync(report, "utf8")) as Record<string, number>;
    for (const name of ["gateways", "tags", "observations", "positions", "zoneTransitions", "proximityTransitions", "deliveries"]) {
      expect(figures[name], name).toBeGreaterThan(0);
    }
    expect(figures["positionErrorMedianM"]).toBeLessThan(3);
    expect(figures["deliveryP95Ms"]).toBeGreaterThan(0);
    const kinds = new Set(seen.map((event) => event.t));
    expect([...kinds]).toEqual(expect.arrayContaining(["position", "zone.enter", "gateway"]));
    expect(run.stdout()).toContain(`data stays in ${path.join(folder, "data")}`);
    expect(fs.statSync(path.join(folder, "data/site.json")).mode & 0o077).toBe(0);
  }, 60_000);

  it("ends cleanly on Ctrl-C and starts again on the same data", async () => {
    const folder = temporaryFolder("up-again");
    const args = ["up", ...FREE_PORTS, "--data", folder, "--no-simulation"];
    for (let time = 0; time < 2; time++) {
      const run = konferenco(args);
      const ready = await run.line<Ready>((line) => line["event"] === "ready");
      expect((await fetch(`${ready.url}/health`)).status).toBe(200);
      run.process.kill("SIGINT");
      expect(await run.exited).toBe(0);
      expect(run.stderr()).not.toContain("Error");
    }
  }, 60_000);

  it("says in one line that a port is taken, and what to do", async () => {
    const blocker = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    const { port } = blocker.address() as net.AddressInfo;
    for (const option of ["--port", "--mqtt-port", "--mqtt-ws-port"]) {
      const run = konferenco(["up", ...FREE_PORTS, option, String(port), "--data", temporaryFolder("busy"), "--no-simulation"]);
      expect(await run.exited).toBe(2);
      const words = run.stderr().split("\n").filter((line) => line !== "" && !line.startsWith("{"));
      expect(words).toHaveLength(1);
      expect(words[0]).toContain(String(port));
    }
    blocker.close();
  }, 60_000);

  it("runs one's own venue and refuses a map that is none, naming the fault", async () => {
    const folder = temporaryFolder("venue");
    const file = path.join(folder, "venue.json");
    fs.writeFileSync(file, JSON.stringify({ venueId: "v", floors: [{ floor: 0, name: "ground" }], zones: [], gateways: [{ gatewayId: "g1", xM: 0, yM: 0, floor: 0, zoneId: "nowhere" }] }));
    const run = konferenco(["up", ...FREE_PORTS, "--data", path.join(folder, "data"), "--venue", file]);
    expect(await run.exited).toBe(2);
    expect(run.stderr()).toContain('stands in zone "nowhere"');
  });

  it.each([
    ["an option that there is not", ["accuracy", "--recrding", "x"], 2, "unknown option '--recrding'"],
    ["a store that nobody runs", ["up", ...FREE_PORTS, "--store", "redis://127.0.0.1:1"], 3, "start it or check the address"],
  ])("%s is told without a stack, by its exit code", async (_what, args, exitCode, words) => {
    const run = konferenco([...args, ...(args[0] === "up" ? ["--data", temporaryFolder("refused")] : [])]);
    expect(await run.exited).toBe(exitCode);
    expect(run.stderr()).toContain(words);
    expect(run.stderr()).not.toContain("    at ");
  });
});
