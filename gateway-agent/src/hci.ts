/**
 * The few HCI bytes that noble 1.9.2-26 cannot write or reads wrongly (Core 5.4, Vol 4 Part E). Pure.
 * Noble always scans actively and never advertises while it listens; its reader of extended reports hands
 * over all bytes up to the end of the event, so that a second report is read as part of the first.
 */

export const LE_SET_ADVERTISING_PARAMETERS = 0x2006;
export const LE_SET_ADVERTISING_DATA = 0x2008;
export const LE_SET_ADVERTISING_ENABLE = 0x200a;
export const LE_SET_SCAN_PARAMETERS = 0x200b;
export const LE_SET_SCAN_ENABLE = 0x200c;
export const LE_SET_EXTENDED_SCAN_PARAMETERS = 0x2041;
export const LE_SET_EXTENDED_SCAN_ENABLE = 0x2042;

/** The controller refuses legacy commands once anybody (the kernel, bluetoothd) has used extended ones since its reset. */
export const COMMAND_DISALLOWED = 0x0c;

export interface ScanTiming {
  scan: "passive" | "active";
  /** The radio changes its channel every interval and listens for the window: equal = all the time. 2.5-10,240 ms. */
  scanIntervalMs: number;
  scanWindowMs: number;
}

/** What a gateway says about itself on the air, so that others hear it and the map can be calibrated without a walk. */
export interface OwnBeacon {
  uuid: string;
  major: number;
  minor: number;
  powerAt1mDbm: number;
  intervalMs: number;
}

const LISTEN_TO_ALL = 0x00;
const PUBLIC_ADDRESS = 0x00;

/** 7.8.10 */
export function scanParameters({ scan, scanIntervalMs, scanWindowMs }: ScanTiming): Buffer {
  const body = Buffer.alloc(7);
  body.writeUInt8(scan === "active" ? 1 : 0, 0);
  body.writeUInt16LE(slots(scanIntervalMs), 1);
  body.writeUInt16LE(slots(scanWindowMs), 3);
  body.writeUInt8(PUBLIC_ADDRESS, 5);
  body.writeUInt8(LISTEN_TO_ALL, 6);
  return command(LE_SET_SCAN_PARAMETERS, body);
}

/** 7.8.64, on the 1M PHY alone: iBeacon and Eddystone use no other, and a controller without Coded PHY refuses the whole command. */
export function extendedScanParameters({ scan, scanIntervalMs, scanWindowMs }: ScanTiming): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt8(PUBLIC_ADDRESS, 0);
  body.writeUInt8(LISTEN_TO_ALL, 1);
  body.writeUInt8(0x01, 2);
  body.writeUInt8(scan === "active" ? 1 : 0, 3);
  body.writeUInt16LE(slots(scanIntervalMs), 4);
  body.writeUInt16LE(slots(scanWindowMs), 6);
  return command(LE_SET_EXTENDED_SCAN_PARAMETERS, body);
}

/** 7.8.5: not connectable, not scannable, on all three channels. */
export function advertisingParameters(beacon: OwnBeacon): Buffer {
  const body = Buffer.alloc(15);
  body.writeUInt16LE(slots(beacon.intervalMs), 0);
  body.writeUInt16LE(slots(beacon.intervalMs), 2);
  body.writeUInt8(0x03, 4);
  body.writeUInt8(0x07, 13);
  return command(LE_SET_ADVERTISING_PARAMETERS, body);
}

/** 7.8.7: 30 of 31 bytes: flags ("no BR/EDR, general discovery") and the iBeacon frame. */
export function advertisingData(beacon: OwnBeacon): Buffer {
  const body = Buffer.alloc(32);
  body.writeUInt8(30, 0);
  Buffer.from("0201061aff4c000215", "hex").copy(body, 1);
  Buffer.from(beacon.uuid.replaceAll("-", ""), "hex").copy(body, 10);
  body.writeUInt16BE(beacon.major, 26);
  body.writeUInt16BE(beacon.minor, 28);
  body.writeInt8(beacon.powerAt1mDbm, 30);
  return command(LE_SET_ADVERTISING_DATA, body);
}

/** 7.8.9 */
export function advertisingEnable(enabled: boolean): Buffer {
  return command(LE_SET_ADVERTISING_ENABLE, Buffer.from([enabled ? 1 : 0]));
}

/** Radio time is counted in slots of 0.625 ms. */
function slots(ms: number): number {
  return Math.round(ms / 0.625);
}

function command(opcode: number, body: Buffer): Buffer {
  const header = Buffer.from([0x01, opcode & 0xff, opcode >> 8, body.length]);
  return Buffer.concat([header, body]);
}

export interface ExtendedReport {
  address: string;
  rssiDbm: number;
  data: Buffer;
}

const EXTENDED_HEADER_BYTES = 24;

/**
 * The reports of one LE Extended Advertising Report event (7.7.65.13), each with its own bytes. Reports
 * whose data goes on in a later event (status bits 5-6) are left out: a beacon's frame fits in one.
 * `whole`: the event held all the reports that it announced.
 */
export function parseExtendedReports(count: number, body: Buffer): { reports: ExtendedReport[]; whole: boolean } {
  const reports: ExtendedReport[] = [];
  let at = 0;
  for (let report = 0; report < count; report++) {
    if (at + EXTENDED_HEADER_BYTES > body.length) return { reports, whole: false };
    const end = at + EXTENDED_HEADER_BYTES + body.readUInt8(at + 23);
    if (end > body.length) return { reports, whole: false };
    const fragment = (body.readUInt16LE(at) & 0x60) !== 0;
    if (!fragment) {
      const address = Buffer.from(body.subarray(at + 3, at + 9)).reverse().toString("hex").replace(/(..)(?!$)/g, "$1:");
      reports.push({ address, rssiDbm: body.readInt8(at + 13), data: body.subarray(at + EXTENDED_HEADER_BYTES, end) });
    }
    at = end;
  }
  return { reports, whole: true };
}
