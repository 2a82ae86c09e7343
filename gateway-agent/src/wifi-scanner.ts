import type { WifiScan } from "@konferenco/protocol";
import { MAX_RSSI_DBM, MAX_SCAN_ROWS, MIN_RSSI_DBM } from "@konferenco/protocol";

/**
 * The access points around this gateway, as NetworkManager sees them through node-wifi (`nmcli device wifi
 * list`). Not for positioning the gateway, whose place is known, but as a fingerprint of its place that is
 * always fresh: the devices that report the same access points can be compared with it.
 */
export interface WifiScanner {
  start(onScan: (scan: WifiScan) => void): Promise<void>;
  stop(): void;
  counts(): WifiCounts;
}

export interface WifiCounts {
  scans: number;
  failedScans: number;
  /** Rows that node-wifi broke or NetworkManager does not know the level of. */
  brokenRows: number;
}

/** One row of node-wifi's answer, as far as we believe it. */
export interface WifiRow {
  bssid?: string | undefined;
  frequency: number;
  quality: number;
}

export interface WifiScannerConfig {
  gatewayId: string;
  everyMs: number;
  /** The network interface, or null for all. */
  networkInterface: string | null;
  nowMs: () => number;
  log: (event: object) => void;
  /** node-wifi; tests put a script. */
  openProvider?: (networkInterface: string | null) => Promise<() => Promise<WifiRow[]>>;
  /** nmcli has no time limit of its own: after this long its answer is given up and no other is asked for until it ends. */
  scanTimeoutMs?: number;
}

const DEFAULT_SCAN_TIMEOUT_MS = 20_000;

export function newWifiScanner(config: WifiScannerConfig): WifiScanner {
  const counts: WifiCounts = { scans: 0, failedScans: 0, brokenRows: 0 };
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let asking = false;
  let failing = false;

  async function scanOnce(ask: () => Promise<WifiRow[]>, onScan: (scan: WifiScan) => void): Promise<void> {
    if (asking) return;
    asking = true;
    // Asynchronous, so that a provider that throws is one that rejects.
    const answer = (async () => ask())().finally(() => (asking = false));
    try {
      const rows = await withinMs(answer, config.scanTimeoutMs ?? DEFAULT_SCAN_TIMEOUT_MS);
      if (stopped) return;
      const scan = { tagId: null, gatewayId: config.gatewayId, heardAtMs: config.nowMs(), ...scanColumns(rows, counts) };
      counts.scans++;
      failing = false;
      if (scan.bssid.length > 0) onScan(scan);
    } catch (error) {
      counts.failedScans++;
      if (isMissingNmcli(error)) {
        stop();
        config.log({ event: "wifi-scan-off", reason: "nmcli is not installed", remedy: 'run "sudo apt install network-manager", or set "wifiScan": { "enabled": false }' });
      } else if (!failing && !stopped) {
        failing = true;
        config.log({ event: "wifi-scan-failed", reason: firstLine(error) });
      }
    }
  }

  function stop(): void {
    stopped = true;
    clearInterval(timer);
  }

  return {
    async start(onScan) {
      try {
        const ask = await (config.openProvider ?? openNodeWifi)(config.networkInterface);
        if (stopped) return;
        timer = setInterval(() => void scanOnce(ask, onScan), config.everyMs);
        timer.unref();
        void scanOnce(ask, onScan);
      } catch (error) {
        config.log({ event: "wifi-scan-off", reason: firstLine(error), remedy: 'run "npm install", or set "wifiScan": { "enabled": false }' });
      }
    },
    stop,
    counts: () => ({ ...counts }),
  };
}

/**
 * Rows to columns, strongest first. Two of node-wifi 2.0.16's faults are undone here:
 * - its `signal_level` is quality / 2 - 100, which is up to 10 dB off. NetworkManager computes
 *   quality = 100 - 100 * (|dBm| - 40) / 60 between -40 and -100 dBm (nm_wifi_utils_level_to_quality),
 *   so dBm = 0.6 * quality - 100, to 0.6 dB, saturated at -40;
 * - a colon in a network's name shifts the row's fields: the frequency is then no Wi-Fi frequency.
 */
export function scanColumns(rows: readonly WifiRow[], counts: { brokenRows: number }): { bssid: string[]; rssiDbm: number[] } {
  const levels = new Map<string, number>();
  for (const { bssid, frequency, quality } of rows) {
    const rssiDbm = Math.round(0.6 * quality - 100);
    const isWhole = bssid !== undefined && BSSID.test(bssid) && frequency >= 2_400 && frequency <= 7_200 && quality > 0 && quality <= 100;
    if (!isWhole || rssiDbm < MIN_RSSI_DBM || rssiDbm > MAX_RSSI_DBM) {
      counts.brokenRows++;
      continue;
    }
    levels.set(bssid.toLowerCase(), rssiDbm);
  }
  const strongest = [...levels].sort(([, a], [, b]) => b - a).slice(0, MAX_SCAN_ROWS);
  return { bssid: strongest.map(([bssid]) => bssid), rssiDbm: strongest.map(([, rssiDbm]) => rssiDbm) };
}

const BSSID = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** Imports node-wifi, which overwrites LANG, LC_ALL and LC_MESSAGES of the whole process: they are put back. */
async function openNodeWifi(networkInterface: string | null): Promise<() => Promise<WifiRow[]>> {
  const names = ["LANG", "LC_ALL", "LC_MESSAGES"] as const;
  const before = names.map((name) => process.env[name]);
  try {
    const { default: wifi } = await import("node-wifi");
    wifi.init({ iface: networkInterface });
    return () => wifi.scan();
  } finally {
    names.forEach((name, i) => {
      const value = before[i];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    });
  }
}

function withinMs<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  let timeout: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timeout = setTimeout(() => reject(new Error(`nmcli did not answer within ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timeout));
}

function isMissingNmcli(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT";
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
