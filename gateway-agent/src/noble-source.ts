import type { EventEmitter } from "node:events";
import fs from "node:fs";
import type { BleCounts, BleHandlers, BleSource, BleState } from "./ble-source.ts";
import { BleUnavailable } from "./ble-source.ts";
import * as bytes from "./hci.ts";

/**
 * The radio of a Pi through @abandonware/noble's HCI layer: its socket, its start-up dialogue with the
 * controller and its parser of events. We stop there and leave out what noble builds on top (gap.js,
 * noble.js), because for a thousand strangers' phones a second that part is wrong, measured with raw frames:
 * - it merges all advertisements of one address: a tag that alternates iBeacon and Eddystone gets its stale
 *   iBeacon counted with every Eddystone; a connectable tag's first report is held back;
 * - it keeps 1.5 KB per address for ever (50,000 rotating addresses: +75 MB; upstream issue #636, open
 *   since 2017), while reports tapped here cost 3 µs and no memory;
 * - its SIGINT handler ends the process before a farewell could be sent, and it scans only actively, asking
 *   every phone in the hall for a scan response (its API cannot be told otherwise; our own bytes can).
 */
export interface NobleSourceConfig extends bytes.ScanTiming {
  /** hci0 = 0. Null: the first adapter that is up. */
  hciDevice: number | null;
  /** Scanning is restarted after this long without any advertisement: scans die silently (abandonware/noble #79). */
  quietRestartMs: number;
  /** What this gateway transmits itself, or null. */
  ownBeacon: bytes.OwnBeacon | null;
  nowMs: () => number;
  log: (event: object) => void;
  /** Names of the machine's adapters; tests put their own. */
  listAdapters?: () => string[];
  /** How long the adapter may take to answer at the start, and to one command later. */
  startTimeoutMs?: number;
  commandTimeoutMs?: number;
}

/** What we use of noble/lib/hci-socket/hci.js. The version is pinned exactly; test/gateway-agent/noble-source.test.ts drives it with raw bytes. */
interface NobleHci extends EventEmitter {
  _socket: EventEmitter & { write(data: Buffer): void; stop(): void };
  _isExtended: boolean;
  init(): void;
  setScanEnabled(enabled: boolean, filterDuplicates: boolean): void;
  setScanParameters(): void;
  setLeEventMask(): void;
  onSocketData(data: Buffer): void;
  pollIsDevUp(): void;
  processCmdCompleteEvent(opcode: number, status: number, result: Buffer): void;
  processLeExtendedAdvertisingReport(count: number, data: Buffer): void;
}
type NobleHciConstructor = new (options: { deviceId?: number; extended: boolean }) => NobleHci;

const HCI_MODULE = "@abandonware/noble/lib/hci-socket/hci.js";
const HCI_EVENT_PACKET = 0x04;
const LE_META_EVENT = 0x3e;
const LE_ADVERTISING_REPORT = 0x02;

// Another program that changes our scan (bluetoothctl scan on/off) is answered, but not in an endless duel.
const RECLAIM_AFTER_MS = 1_000;
const POLL_ADAPTER_MS = 1_000;

export function newNobleSource(config: NobleSourceConfig): BleSource {
  return new NobleSource(config);
}

class NobleSource implements BleSource {
  readonly #config: NobleSourceConfig;
  readonly #counts: BleCounts = { advertisements: 0, badFrames: 0, scanRestarts: 0 };
  #handlers: BleHandlers | null = null;
  #state: BleState = { kind: "stopped" };
  #hci: NobleHci | null = null;
  #lastHeardMs = 0;
  #lastScanMs = 0;
  #bringingUp: Promise<void> | null = null;
  #watchdog: NodeJS.Timeout | undefined;
  #reclaim: NodeJS.Timeout | undefined;
  /** Who waits for the controller's answer to a command; one per opcode. */
  readonly #waiting = new Map<number, (status: number) => void>();

  constructor(config: NobleSourceConfig) {
    this.#config = config;
  }

  state(): BleState {
    return this.#state;
  }

  counts(): BleCounts {
    return { ...this.#counts };
  }

  async start(handlers: BleHandlers): Promise<void> {
    if (this.#hci !== null) throw new Error("this source has been started");
    const adapters = (this.#config.listAdapters ?? listAdapters)();
    if (adapters.length === 0) throw new BleUnavailable(NO_ADAPTER);
    if (this.#config.hciDevice !== null && !adapters.includes(`hci${this.#config.hciDevice}`)) {
      throw new BleUnavailable(`Bluetooth adapter hci${this.#config.hciDevice} is not there, but ${adapters.join(", ")}: set "hciDevice" to its number, or to null for the first`);
    }
    this.#handlers = handlers;
    this.#state = { kind: "starting" };
    try {
      const hci = this.#open(await loadHci());
      this.#hci = hci;
      await this.#poweredOn(hci);
      await this.#bringUp();
    } catch (error) {
      await this.stop();
      throw error instanceof BleUnavailable ? error : new BleUnavailable(remedyFor(error as Error), { cause: error });
    }
    this.#lastHeardMs = this.#config.nowMs();
    this.#enter({ kind: "scanning" });
    this.#watchdog = setInterval(() => this.#watch(), Math.max(10, this.#config.quietRestartMs / 4));
  }

  async stop(): Promise<void> {
    const hci = this.#hci;
    this.#hci = null;
    clearInterval(this.#watchdog);
    clearTimeout(this.#reclaim);
    this.#state = { kind: "stopped" };
    if (hci === null) return;
    hci.removeAllListeners();
    try {
      if (this.#config.ownBeacon !== null) hci._socket.write(bytes.advertisingEnable(false));
      hci.setScanEnabled(false, true);
      hci._socket.stop();
    } catch {
      // The adapter is gone already: there is nothing left to turn off.
    }
    hci._socket.removeAllListeners();
    hci._socket.on("error", () => {}); // what the kernel still had to say
  }

  /** A noble HCI whose faults stay inside, and whose reports come to us alone. */
  #open(Hci: NobleHciConstructor): NobleHci {
    const { hciDevice } = this.#config;
    const hci = new Hci({ ...(hciDevice === null ? {} : { deviceId: hciDevice }), extended: false });
    const noble = { read: hci.onSocketData.bind(hci), poll: hci.pollIsDevUp.bind(hci), commandComplete: hci.processCmdCompleteEvent.bind(hci) };

    // Noble reads without looking at the length: 5 of the 45 lengths at which an iBeacon report can be cut
    // throw out of this handler, which would end the process.
    hci.onSocketData = (data) => {
      const heardBefore = this.#counts.advertisements;
      try {
        noble.read(data);
        const announced = data[0] === HCI_EVENT_PACKET && data[1] === LE_META_EVENT && data[3] === LE_ADVERTISING_REPORT ? (data[4] ?? 0) : 0;
        if (this.#counts.advertisements - heardBefore < announced) this.#counts.badFrames++;
      } catch {
        this.#counts.badFrames++;
      }
    };
    // Noble asks once a second whether the adapter is up, for ever; an adapter that was pulled out must not end us.
    hci.pollIsDevUp = () => {
      if (this.#hci !== hci) return;
      try {
        noble.poll();
      } catch (error) {
        this.#down(remedyFor(error as Error));
        setTimeout(() => hci.pollIsDevUp(), POLL_ADAPTER_MS).unref();
      }
    };
    hci.processCmdCompleteEvent = (opcode, status, result) => {
      noble.commandComplete(opcode, status, result);
      this.#waiting.get(opcode)?.(status);
    };
    hci.setScanParameters = () => hci._socket.write(hci._isExtended ? bytes.extendedScanParameters(this.#config) : bytes.scanParameters(this.#config));
    hci.processLeExtendedAdvertisingReport = (count, data) => {
      const { reports, whole } = bytes.parseExtendedReports(count, data);
      for (const report of reports) this.#heard(report.address, report.rssiDbm, report.data);
      if (!whole) this.#counts.badFrames++;
    };
    hci.on("leAdvertisingReport", (_status: number, _type: number, address: string, _addressType: string, data: Buffer, rssiDbm: number) => {
      this.#heard(address, rssiDbm, data);
    });
    hci.on("leScanEnableSetCmd", (enabled: boolean, filtersDuplicates: boolean) => {
      // A raw socket does not hear its own commands: this was somebody else's, and it stops our scan or thins it to one report per address.
      if (!enabled || filtersDuplicates) this.#reclaimScan();
    });
    return hci;
  }

  #heard(address: string, rssiDbm: number, data: Buffer): void {
    this.#counts.advertisements++;
    this.#lastHeardMs = this.#config.nowMs();
    if (this.#state.kind === "quiet") this.#enter({ kind: "scanning" });
    this.#handlers?.onAdvertisement({ address, rssiDbm, data });
  }

  /** Waits for the controller's first answers; then follows it when it goes and comes back. */
  #poweredOn(hci: NobleHci): Promise<void> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new BleUnavailable(NO_ANSWER)), this.#config.startTimeoutMs ?? 10_000);
      hci.on("stateChange", (state: string) => {
        if (this.#state.kind === "starting") {
          clearTimeout(timeout);
          if (state === "poweredOn") resolve();
          else reject(new BleUnavailable(ADAPTER_STATES[state] ?? `the Bluetooth adapter is ${state}: ${NO_ANSWER}`));
        } else if (state === "poweredOn") {
          if (this.#state.kind === "down") void this.#restart();
        } else if (this.#hci === hci) {
          this.#down(ADAPTER_STATES[state] ?? NO_ANSWER);
        }
      });
      // Binds the socket: a throw in here rejects the promise.
      hci.init();
    });
  }

  /** Scanning off, parameters, scanning on with duplicates (each one is a measurement), and our own beacon. */
  #bringUp(): Promise<void> {
    this.#bringingUp ??= this.#bringUpOnce().finally(() => (this.#bringingUp = null));
    return this.#bringingUp;
  }

  async #bringUpOnce(): Promise<void> {
    const hci = this.#hci;
    if (hci === null) return;
    this.#lastScanMs = this.#config.nowMs();
    let status = await this.#scan(hci);
    if (status === bytes.COMMAND_DISALLOWED) {
      hci._isExtended = !hci._isExtended;
      hci.setLeEventMask();
      status = await this.#scan(hci);
    }
    if (status !== 0) throw new BleUnavailable(`the Bluetooth adapter refuses to scan (HCI status ${status}): run "sudo systemctl restart bluetooth", then restart this gateway`);
    if (this.#config.ownBeacon !== null) await this.#advertise(hci, this.#config.ownBeacon);
  }

  async #scan(hci: NobleHci): Promise<number> {
    const [parameters, enable] = hci._isExtended
      ? [bytes.LE_SET_EXTENDED_SCAN_PARAMETERS, bytes.LE_SET_EXTENDED_SCAN_ENABLE]
      : [bytes.LE_SET_SCAN_PARAMETERS, bytes.LE_SET_SCAN_ENABLE];
    // Parameters cannot be changed while scanning; "disallowed" only says that there was no scan to stop.
    await this.#answer(enable, () => hci.setScanEnabled(false, true));
    await this.#answer(parameters, () => hci.setScanParameters());
    return this.#answer(enable, () => hci.setScanEnabled(true, false));
  }

  /** A gateway that cannot transmit still hears: told once per start, not fatal. */
  async #advertise(hci: NobleHci, beacon: bytes.OwnBeacon): Promise<void> {
    await this.#answer(bytes.LE_SET_ADVERTISING_ENABLE, () => hci._socket.write(bytes.advertisingEnable(false)));
    await this.#answer(bytes.LE_SET_ADVERTISING_PARAMETERS, () => hci._socket.write(bytes.advertisingParameters(beacon)));
    await this.#answer(bytes.LE_SET_ADVERTISING_DATA, () => hci._socket.write(bytes.advertisingData(beacon)));
    const status = await this.#answer(bytes.LE_SET_ADVERTISING_ENABLE, () => hci._socket.write(bytes.advertisingEnable(true)));
    if (status !== 0) this.#config.log({ event: "own-beacon-refused", hciStatus: status });
  }

  #answer(opcode: number, write: () => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => {
        this.#waiting.delete(opcode);
        reject(new BleUnavailable(NO_ANSWER));
      }, this.#config.commandTimeoutMs ?? 2_000);
      this.#waiting.set(opcode, (status) => {
        clearTimeout(timeout);
        this.#waiting.delete(opcode);
        resolve(status);
      });
      write();
    });
  }

  #watch(): void {
    if (this.#state.kind === "starting" || this.#state.kind === "stopped") return;
    const quietSinceMs = Math.max(this.#lastHeardMs, this.#lastScanMs);
    if (this.#config.nowMs() - quietSinceMs < this.#config.quietRestartMs) return;
    if (this.#state.kind === "scanning") this.#enter({ kind: "quiet" });
    void this.#restart();
  }

  #reclaimScan(): void {
    if (this.#reclaim !== undefined || this.#state.kind === "starting") return;
    this.#reclaim = setTimeout(() => {
      this.#reclaim = undefined;
      void this.#restart();
    }, RECLAIM_AFTER_MS);
  }

  async #restart(): Promise<void> {
    this.#counts.scanRestarts++;
    try {
      await this.#bringUp();
      if (this.#state.kind === "down") this.#enter({ kind: "scanning" });
    } catch (error) {
      this.#down((error as Error).message);
    }
  }

  #down(remedy: string): void {
    if (this.#state.kind !== "stopped") this.#enter({ kind: "down", remedy });
  }

  #enter(state: BleState): void {
    const changed = state.kind !== this.#state.kind;
    this.#state = state;
    if (changed) this.#handlers?.onState?.(state);
  }
}

const NO_ADAPTER =
  "this machine has no Bluetooth adapter: plug one in, or on a Raspberry Pi remove dtoverlay=disable-bt from /boot/firmware/config.txt and restart it (docs/deploy-a-gateway.md)";
const NO_ANSWER = 'the Bluetooth adapter does not answer: run "sudo systemctl restart bluetooth", or unplug and plug it in again';
const NOT_ALLOWED =
  'Bluetooth is not open to this user: start by the systemd unit, or run "sudo setcap cap_net_raw,cap_net_admin+eip $(readlink -f $(which node))"';
const ADAPTER_STATES: Readonly<Record<string, string>> = {
  poweredOff: 'the Bluetooth adapter is off: run "sudo rfkill unblock bluetooth && sudo bluetoothctl power on"',
  unauthorized: NOT_ALLOWED,
  unsupported: "the Bluetooth adapter is older than Bluetooth 4.0 and cannot hear tags: plug in a newer one",
};

/** Adapters that the kernel knows: /sys/class/bluetooth/hci0 (and hci0:64 for connections). */
function listAdapters(): string[] {
  try {
    return fs.readdirSync("/sys/class/bluetooth").filter((name) => /^hci\d+$/.test(name)).sort();
  } catch {
    return [];
  }
}

async function loadHci(): Promise<NobleHciConstructor> {
  // A name in a variable: noble is optional, so the compiler must not look for it.
  const moduleName: string = HCI_MODULE;
  return ((await import(moduleName)) as { default: NobleHciConstructor }).default;
}

export function remedyFor(error: Error & { code?: string }): string {
  const firstLine = error.message.split("\n")[0] ?? "";
  // `npm ci --ignore-scripts` leaves the native part unbuilt; another Node version cannot load it.
  if (firstLine.includes("bluetooth_hci_socket") || error.code === "ERR_DLOPEN_FAILED") {
    return 'the native part of Bluetooth is not built for this Node: run "npm rebuild @abandonware/bluetooth-hci-socket" (needs make, g++ and python3)';
  }
  if (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND") return 'the package @abandonware/noble is missing: run "npm install" without --omit=optional';
  if (/EAFNOSUPPORT/.test(firstLine)) return "this machine's kernel has no Bluetooth: run the gateway on a Raspberry Pi itself, not in a container or a virtual machine without a radio";
  if (/EPERM|EACCES/.test(firstLine)) return NOT_ALLOWED;
  if (/ENODEV|No such device/.test(firstLine)) return NO_ADAPTER;
  return `Bluetooth cannot be opened (${firstLine}): ${NO_ANSWER}`;
}
