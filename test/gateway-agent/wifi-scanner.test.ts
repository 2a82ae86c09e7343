import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseWifiScan, type WifiScan } from "@konferenco/protocol";
import { newWifiScanner, scanColumns, type WifiScannerConfig } from "../../gateway-agent/src/wifi-scanner.ts";
import { temporaryFolder } from "./broker-helper.ts";

let folder: ReturnType<typeof temporaryFolder>;
let stops: (() => void)[];
const { PATH } = process.env;
beforeEach(() => {
  folder = temporaryFolder();
  stops = [];
});
afterEach(() => {
  process.env.PATH = PATH;
  for (const stop of stops) stop();
  folder.remove();
});

/** What `nmcli --terse` prints, colons escaped, in a program of that name. */
function installNmcli(script: string): void {
  fs.writeFileSync(path.join(folder.directory, "nmcli"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  process.env.PATH = `${folder.directory}:${PATH}`;
}

const row = (ssid: string, bssid: string, quality: number, frequency = "5180 MHz") => `no:${ssid}:${bssid.replaceAll(":", "\\:")}:Infra:36:${frequency}:${quality}:WPA2:(none):pair_ccmp`;

function open(change: Partial<WifiScannerConfig> = {}) {
  const scans: WifiScan[] = [];
  const logged: Record<string, unknown>[] = [];
  const scanner = newWifiScanner({ gatewayId: "gw-1", everyMs: 60_000, networkInterface: null, nowMs: () => 42, log: (event) => logged.push(event as Record<string, unknown>), ...change });
  stops.push(() => scanner.stop());
  return { scanner, scans, logged, start: () => scanner.start((scan) => scans.push(scan)) };
}

describe("access points around a gateway", () => {
  it("node-wifi's answer becomes a scan that the protocol takes, strongest first, in true dBm", async () => {
    installNmcli(`cat <<'END'\n${row("Venue", "AA:BB:CC:00:00:01", 57)}\n${row("Venue", "AA:BB:CC:00:00:02", 100)}\nEND`);
    const { start, scans, scanner } = open();
    await start();
    await vi.waitFor(() => expect(scans).toHaveLength(1));
    // NetworkManager's own tests: -66 dBm is quality 57; node-wifi's signal_level would say -71.5.
    expect(scans[0]).toEqual({ tagId: null, gatewayId: "gw-1", heardAtMs: 42, bssid: ["aa:bb:cc:00:00:02", "aa:bb:cc:00:00:01"], rssiDbm: [-40, -66] });
    expect(parseWifiScan(Buffer.from(JSON.stringify({ v: 1, ...scans[0] })))).toMatchObject({ ok: true, value: { refusedRows: {} } });
    expect(scanner.counts()).toEqual({ scans: 1, failedScans: 0, brokenRows: 0 });
  });

  it("networks with colons in their names cost their own row alone", async () => {
    installNmcli(`cat <<'END'\n${row("My\\:Colon", "AA:BB:CC:00:00:01", 57)}\n${row("Two\\:Colons\\:", "AA:BB:CC:00:00:03", 57)}\n${row("Venue", "AA:BB:CC:00:00:02", 32)}\nEND`);
    const { start, scans, scanner } = open();
    await start();
    await vi.waitFor(() => expect(scans).toHaveLength(1));
    expect(scans[0]).toMatchObject({ bssid: ["aa:bb:cc:00:00:02"], rssiDbm: [-81] });
    expect(scanner.counts().brokenRows).toBe(2);
  });

  it("levels, frequencies and addresses that cannot be are left out and counted", () => {
    const counts = { brokenRows: 0 };
    const rows = [
      { bssid: "aa:bb:cc:00:00:01", frequency: 2_412, quality: Number.NaN },
      { bssid: "aa:bb:cc:00:00:02", frequency: 2_412, quality: 5_180 },
      { bssid: "aa:bb:cc:00:00:03", frequency: 36, quality: 50 },
      { bssid: undefined, frequency: 2_412, quality: 50 },
      { bssid: "nonsense", frequency: 2_412, quality: 50 },
      { bssid: "aa:bb:cc:00:00:04", frequency: 2_412, quality: 0 },
      { bssid: "AA:BB:CC:00:00:05", frequency: 2_412, quality: 50 },
    ];
    expect(scanColumns(rows, counts)).toEqual({ bssid: ["aa:bb:cc:00:00:05"], rssiDbm: [-70] });
    expect(counts.brokenRows).toBe(6);
  });

  it("a hall with a thousand access points reports the 256 strongest", () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({ bssid: `aa:bb:cc:00:${(i >> 8).toString(16).padStart(2, "0")}:${(i & 255).toString(16).padStart(2, "0")}`, frequency: 5_180, quality: 1 + (i % 100) }));
    const { bssid, rssiDbm } = scanColumns(rows, { brokenRows: 0 });
    expect(bssid).toHaveLength(256);
    expect(Math.min(...rssiDbm)).toBe(-55);
  });

  it("node-wifi's change of this process' language is undone", async () => {
    installNmcli("exit 0");
    vi.stubEnv("LANG", "C.UTF-8");
    vi.stubEnv("LC_ALL", undefined);
    await open().start();
    expect([process.env.LANG, process.env.LC_ALL]).toEqual(["C.UTF-8", undefined]);
    vi.unstubAllEnvs();
  });
});

describe("a machine without Wi-Fi tools", () => {
  it("says so in one line and does not try again", async () => {
    process.env.PATH = folder.directory;
    const { start, logged, scanner } = open({ everyMs: 10 });
    await start();
    await vi.waitFor(() => expect(logged).toHaveLength(1));
    expect(logged[0]).toMatchObject({ event: "wifi-scan-off", remedy: expect.stringContaining("apt install network-manager") as string });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(scanner.counts().failedScans).toBe(1);
  });

  it("without node-wifi itself says so too", async () => {
    const { start, logged } = open({ openProvider: () => Promise.reject(new Error("Cannot find package 'node-wifi'")) });
    await start();
    expect(logged).toMatchObject([{ event: "wifi-scan-off" }]);
  });
});

describe("a NetworkManager in trouble", () => {
  it("that fails is told about once, counted, and asked again", async () => {
    installNmcli("echo 'Error: NetworkManager is not running.' >&2; exit 8");
    const { start, logged, scanner } = open({ everyMs: 20 });
    await start();
    await vi.waitFor(() => expect(scanner.counts().failedScans).toBeGreaterThanOrEqual(3), { timeout: 5_000 });
    expect(logged).toMatchObject([{ event: "wifi-scan-failed" }]);
  });

  it("that hangs is given up, and not asked twice at a time", async () => {
    let asked = 0;
    let answer: (rows: never[]) => void = () => {};
    const { start, scanner } = open({
      everyMs: 10,
      scanTimeoutMs: 30,
      openProvider: () =>
        Promise.resolve(() => {
          asked++;
          return new Promise((resolve) => (answer = resolve));
        }),
    });
    await start();
    await vi.waitFor(() => expect(scanner.counts().failedScans).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(asked).toBe(1);
    answer([]);
    await vi.waitFor(() => expect(asked).toBe(2));
  });

  it("whose provider throws instead of refusing does not end the agent", async () => {
    const { start, scanner } = open({
      openProvider: () =>
        Promise.resolve(() => {
          throw new Error("ERROR : not available for this OS");
        }),
    });
    await start();
    await vi.waitFor(() => expect(scanner.counts().failedScans).toBe(1));
  });
});
