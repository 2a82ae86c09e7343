import { EventEmitter } from "node:events";
import { createRequire } from "node:module";

/**
 * A Bluetooth controller in place of `@abandonware/bluetooth-hci-socket`, whose native part is neither built
 * nor of use on a test machine: noble's own HCI layer runs on it and parses real bytes.
 */
export class FakeController {
  /** Commands that were written, as hex, in order. */
  readonly commands: string[] = [];
  readonly sockets: FakeHciSocket[] = [];
  up = true;
  /** What a command is answered with; 0 unless told. */
  status: (opcode: number) => number = () => 0;
  /** Commands that stay unanswered. */
  silent = false;
  /** Thrown by the constructor and by bindRaw. */
  faults: { open?: Error; bind?: Error; isDevUp?: Error } = {};
  stopped = false;

  /** Bytes from the controller to whoever listens. */
  say(hex: string): void {
    for (const socket of this.sockets) socket.emit("data", Buffer.from(hex, "hex"));
  }

  commandsOf(opcode: number): string[] {
    const prefix = `01${hexLE(opcode)}`;
    return this.commands.filter((command) => command.startsWith(prefix));
  }
}

/** The class that noble constructs. Each test installs its own controller first. */
class FakeHciSocket extends EventEmitter {
  readonly #controller: FakeController;
  constructor() {
    super();
    if (current === null) throw new Error("install a FakeController first");
    this.#controller = current;
    if (current.faults.open !== undefined) throw current.faults.open;
    current.sockets.push(this);
  }
  bindRaw(): number {
    if (this.#controller.faults.bind !== undefined) throw this.#controller.faults.bind;
    return 0;
  }
  bindUser(): number {
    return this.bindRaw();
  }
  start(): void {}
  setFilter(): void {}
  isDevUp(): boolean {
    if (this.#controller.faults.isDevUp !== undefined) throw this.#controller.faults.isDevUp;
    return this.#controller.up;
  }
  write(data: Buffer): void {
    const controller = this.#controller;
    controller.commands.push(data.toString("hex"));
    const opcode = data.readUInt16LE(1);
    if (controller.silent) return;
    setImmediate(() => this.emit("data", commandComplete(opcode, controller.status(opcode))));
  }
  stop(): void {
    this.#controller.stopped = true;
  }
}

const RESULTS: Readonly<Record<number, string>> = {
  0x1001: "0a00000a0f000000", // local version: Bluetooth 5.1
  0x1009: "010203aabbcc", // address cc:bb:aa:03:02:01
  0x2002: "fb0008", // LE buffers
  0x0c6c: "0100", // LE host supported
};

function commandComplete(opcode: number, status: number): Buffer {
  const body = `01${hexLE(opcode)}${status.toString(16).padStart(2, "0")}${RESULTS[opcode] ?? ""}`;
  return Buffer.from(`040e${(body.length / 2).toString(16).padStart(2, "0")}${body}`, "hex");
}

function hexLE(opcode: number): string {
  return Buffer.from([opcode & 0xff, opcode >> 8]).toString("hex");
}

let current: FakeController | null = null;

/** Puts the fake where noble's `require("@abandonware/bluetooth-hci-socket")` will find it. */
export function installFakeController(): FakeController {
  current = new FakeController();
  const fromHere = createRequire(import.meta.url);
  const fromNoble = createRequire(fromHere.resolve("@abandonware/noble/package.json"));
  const path = fromNoble.resolve("@abandonware/bluetooth-hci-socket");
  fromHere.cache[path] = { id: path, filename: path, loaded: true, exports: FakeHciSocket, children: [], paths: [], path, isPreloading: false, parent: null, require: fromHere } as unknown as NodeJS.Module;
  return current;
}

/** A legacy LE advertising report, not connectable, as a controller sends it. */
export function advertisingReport(address: string, dataHex: string, rssiDbm: number): string {
  const reversed = address.split(":").reverse().join("");
  const length = (dataHex.length / 2).toString(16).padStart(2, "0");
  const body = `02010301${reversed}${length}${dataHex}` + Buffer.from([rssiDbm & 0xff]).toString("hex");
  return `043e${(body.length / 2).toString(16).padStart(2, "0")}${body}`;
}

/** An iBeacon's advertisement data. */
export function ibeaconData(uuid: string, major: number, minor: number, powerAt1mDbm = -59): string {
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(major, 0);
  tail.writeUInt16BE(minor, 2);
  tail.writeInt8(powerAt1mDbm, 4);
  return `0201061aff4c000215${uuid.replaceAll("-", "")}${tail.toString("hex")}`;
}
