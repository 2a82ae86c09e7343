import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { gatewayCommand, newNobleSource, type GatewayAgentParts } from "@konferenco/gateway-agent";
import { GATEWAY, openVenueBroker, temporaryFolder, type VenueBroker } from "./broker-helper.ts";
import { advertisingReport, installFakeController } from "./fake-hci-socket.ts";

const root = path.resolve(import.meta.dirname, "../..");
const folder = temporaryFolder();
afterAll(() => folder.remove());

let broker: VenueBroker;
beforeEach(async () => {
  broker = await openVenueBroker();
});
afterEach(() => broker.close());

let files = 0;
function settingsFile(change: object = {}): string {
  const file = path.join(folder.directory, `gateway-${files++}.json`);
  const settings = { gatewayId: "gw-1", eventId: "demo", zoneId: "hall", broker: { url: broker.url, password: GATEWAY.password }, spool: { directory: path.join(folder.directory, "spool") }, wifiScan: { enabled: false }, ...change };
  fs.writeFileSync(file, `// a comment\n${JSON.stringify(settings)}`);
  return file;
}

async function run(args: string[], { parts, untilAskedToEnd = () => Promise.resolve("test") }: { parts?: GatewayAgentParts; untilAskedToEnd?: () => Promise<string> } = {}) {
  const out: string[] = [];
  const complaints: string[] = [];
  const code = await gatewayCommand(args, { env: {}, out: (line) => out.push(line), complain: (line) => complaints.push(line), untilAskedToEnd, ...(parts === undefined ? {} : { parts }) });
  return { code, out, complaints };
}

function radio() {
  const controller = installFakeController();
  const bleSource = newNobleSource({
    hciDevice: null, scan: "passive", scanIntervalMs: 100, scanWindowMs: 100, quietRestartMs: 60_000, ownBeacon: null,
    nowMs: () => performance.now(), log: () => {}, listAdapters: () => ["hci0"],
  });
  return { controller, bleSource };
}

describe("konferenco-gateway", () => {
  it("runs until it is asked to end, one JSON line per change of state", async () => {
    const { bleSource } = radio();
    const { code, out } = await run(["--config", settingsFile()], { parts: { bleSource }, untilAskedToEnd: () => vi.waitFor(() => expect(broker.statuses).toHaveLength(1)).then(() => "SIGTERM") });
    expect(code).toBe(0);
    expect(out.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(["radio", "started", "broker-connected", "stopped"]);
    expect(out.join()).not.toContain(GATEWAY.password);
    expect(broker.statuses.at(-1)).toMatchObject({ online: false });
  });

  it("--init writes a settings file for its owner's eyes, and never over another", async () => {
    const file = path.join(folder.directory, "new.json");
    expect(await run(["--init", file])).toMatchObject({ code: 0, out: [expect.stringContaining(`--check --config ${file}`)] });
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(await run(["--init", file])).toMatchObject({ code: 2, complaints: [expect.stringContaining("is there already and stays as it is")] });
    expect((await run(["--init", path.join(folder.directory, "no/such/folder.json")])).complaints[0]).toMatch(/folder of .* does not exist/);
  });

  it("--check says what works: radio with the number of tags, login, clock", async () => {
    const { controller, bleSource } = radio();
    const running = run(["--check", "--config", settingsFile({ tags: [{ tagId: "tag-1", address: "c0:ff:ee:00:00:01" }] })], { parts: { bleSource } });
    await vi.waitFor(() => expect(bleSource.state().kind).toBe("scanning"));
    controller.say(advertisingReport("c0:ff:ee:00:00:01", "020106", -60));
    const { code, out } = await running;
    expect(out[0]).toBe("ok    radio: 1 advertisements in 5 s, 1 of this event's tags");
    expect(out[1]).toMatch(/^ok {4}broker: logged in at .* as "gw-1" and may publish for event "demo"$/);
    expect(out[2]).toMatch(/clock: \d{4}-/);
    expect(code).toBe(out[2]?.startsWith("ok") === true ? 0 : 2);
    // A check must not make the gateway look alive.
    expect(broker.statuses).toEqual([{ v: 1, gatewayId: "gw-1", online: false }]);
  });

  it("--check names what must be mended: no radio, a wrong password, a foreign event", async () => {
    const { controller, bleSource } = radio();
    controller.up = false;
    const wrongPassword = await run(["--check", "--config", settingsFile({ broker: { url: broker.url, password: "wrong" } })], { parts: { bleSource } });
    expect(wrongPassword.code).toBe(2);
    expect(wrongPassword.out[0]).toMatch(/^MEND {2}radio: the Bluetooth adapter is off/);
    expect(wrongPassword.out[1]).toMatch(/^MEND {2}broker: the broker refuses the login/);
    const { bleSource: another } = radio();
    controller.up = false;
    const foreign = await run(["--check", "--config", settingsFile({ eventId: "other", broker: { url: broker.url, password: GATEWAY.password } })], { parts: { bleSource: another } });
    expect(foreign.out[0]).toMatch(/^MEND {2}radio: 0 advertisements/);
    expect(foreign.out[1]).toMatch(/^MEND {2}broker: .*registered for event "other"\?/);
  });

  it("--identity prints what the event's tags must carry, --help and --version what they say", async () => {
    expect((await run(["--identity", "devcon"])).out.join("\n")).toMatch(/78108ec6-c7a9-536f-ade9-34f7486e9b70[\s\S]*36925c7360abe6769206/);
    expect((await run(["--identity", "no spaces"])).complaints[0]).toMatch(/is not an id/);
    expect((await run(["--help"])).out[0]).toContain("--check");
    expect((await run(["--version"])).out).toEqual(["0.1.0"]);
  });

  it("a wrong option or missing settings are one line and exit code 2", async () => {
    expect(await run(["--chekc"])).toMatchObject({ code: 2, complaints: [expect.stringMatching(/^konferenco-gateway: Unknown option '--chekc'[^\n]*--help/)] });
    expect(await run(["--config", "/nowhere.json"])).toMatchObject({ code: 2, complaints: [expect.stringContaining("--init /nowhere.json")] });
  });
});

describe("the built program", () => {
  const main = path.join(root, "gateway-agent/dist/main.js");

  beforeAll(async () => {
    const build = spawn(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-b", "gateway-agent"], { cwd: root, stdio: "inherit" });
    const [code] = (await once(build, "exit")) as [number];
    expect(code).toBe(0);
  }, 120_000);

  async function spawnMain(args: string[]) {
    const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH } });
    let out = "";
    let complaints = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return { code, out, complaints };
  }

  it("on a machine without that adapter says so in one line, with what to do, and exits with 2", async () => {
    // hci15 is nowhere, also not on a developer's machine that has an adapter.
    const { code, out, complaints } = await spawnMain(["--config", settingsFile({ radio: { hciDevice: 15 } })]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(complaints).toMatch(/^konferenco-gateway: (this machine has no Bluetooth adapter: plug one in|Bluetooth adapter hci15 is not there, but)[^\n]*\n$/);
    expect(complaints).not.toMatch(/\bat .*:\d+:\d+/);
  });

  it("prints its version", async () => {
    expect(await spawnMain(["--version"])).toEqual({ code: 0, out: "0.1.0\n", complaints: "" });
  });
});

describe("what venue staff are told to type", () => {
  const guide = fs.readFileSync(path.join(root, "docs/deploy-a-gateway.md"), "utf8");
  const unit = fs.readFileSync(path.join(root, "gateway-agent/konferenco-gateway.service"), "utf8");

  it("every option in the guide and in the unit exists", async () => {
    const [help] = (await run(["--help"])).out;
    const options = [...`${guide}\n${unit}`.matchAll(/konferenco-gateway (--[a-z]+)/g)].map((match) => match[1] as string);
    expect(new Set(options)).toEqual(new Set(["--config", "--check", "--identity"]));
    for (const option of options) expect(help).toContain(option);
  });

  it("install.sh stages command, settings and unit, and leaves filled-in settings alone", async () => {
    const stage = path.join(folder.directory, "stage");
    const install = async () => {
      const child = spawn(path.join(root, "gateway-agent/install.sh"), [], { env: { PATH: process.env.PATH, DESTDIR: stage }, stdio: "ignore" });
      expect(await once(child, "exit")).toEqual([0, null]);
    };
    fs.mkdirSync(stage);
    await install();
    const settings = path.join(stage, "etc/konferenco/gateway.json");
    expect(fs.statSync(settings).mode & 0o777).toBe(0o600);
    fs.writeFileSync(settings, "{}");
    await install();
    expect(fs.readFileSync(settings, "utf8")).toBe("{}");
    expect(fs.readFileSync(path.join(stage, "etc/systemd/system/konferenco-gateway.service"), "utf8")).toBe(unit);
    const version = spawn(path.join(stage, "usr/local/bin/konferenco-gateway"), ["--version"]);
    expect(await once(version, "exit")).toEqual([0, null]);
  });
});
