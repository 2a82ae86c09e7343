/**
 * What a beacon says about itself, out of the raw bytes of one advertisement. Pure, bounds-checked,
 * never throws: anybody may transmit anything.
 */

/** One frame that names (or measures) its transmitter. Power is the RSSI expected at 1 m. */
export type BeaconFrame =
  | { kind: "ibeacon"; uuid: string; major: number; minor: number; powerAt1mDbm: number }
  | { kind: "altbeacon"; companyId: number; idHex: string; powerAt1mDbm: number }
  | { kind: "eddystone-uid"; namespaceHex: string; instanceHex: string; powerAt1mDbm: number }
  | { kind: "eddystone-eid"; ephemeralHex: string; powerAt1mDbm: number }
  | { kind: "eddystone-tlm"; batteryMv: number | null; temperatureC: number | null; uptimeS: number };

export interface ParsedAdvertisement {
  frames: BeaconFrame[];
  /** A structure claimed more bytes than there are. What came before it still counts. */
  truncated: boolean;
}

// Bluetooth assigned numbers, section 2.3 (common data types).
const AD_SERVICE_DATA_16 = 0x16;
const AD_MANUFACTURER_DATA = 0xff;

const COMPANY_APPLE = 0x004c;
const SERVICE_EDDYSTONE = 0xfeaa;

// Eddystone gives the power at 0 m. Its specification: "the value measured at 1 m plus 41 dBm"
// (github.com/google/eddystone, eddystone-uid), 41 dB being the free-space loss of the first metre at 2.4 GHz.
const FIRST_METRE_LOSS_DB = 41;

/**
 * An advertisement is a row of structures: length, type, length - 1 bytes (Core 5.4 Vol 3 Part C 11).
 * A length of 0 ends it early. At most 254 structures fit in the 255 bytes of one report.
 */
export function parseAdvertisement(data: Uint8Array): ParsedAdvertisement {
  const frames: BeaconFrame[] = [];
  let at = 0;
  while (at < data.length) {
    const length = data[at] as number;
    if (length === 0) break;
    const end = at + 1 + length;
    if (end > data.length) return { frames, truncated: true };
    const type = data[at + 1];
    // Manufacturer and service data alone say who transmits; names, flags and service lists are skipped unread.
    if (type === AD_MANUFACTURER_DATA || type === AD_SERVICE_DATA_16) {
      const body = new DataView(data.buffer, data.byteOffset + at + 2, length - 1);
      const frame = type === AD_MANUFACTURER_DATA ? parseManufacturerData(body) : parseServiceData(body);
      if (frame !== null) frames.push(frame);
    }
    at = end;
  }
  return { frames, truncated: false };
}

function parseManufacturerData(body: DataView): BeaconFrame | null {
  if (body.byteLength < 4) return null;
  const companyId = body.getUint16(0, true);
  const kind = body.getUint16(2, false);
  // iBeacon: 02 15, then UUID (16), major (2), minor (2), power at 1 m (1). Some tags (Jaalee) append a battery byte.
  if (companyId === COMPANY_APPLE && kind === 0x0215) {
    if (body.byteLength < 25) return null;
    return { kind: "ibeacon", uuid: uuidOf(hex(body, 4, 16)), major: body.getUint16(20), minor: body.getUint16(22), powerAt1mDbm: body.getInt8(24) };
  }
  // AltBeacon: BE AC, then id (20), power at 1 m (1), reserved (1); any company (github.com/AltBeacon/spec).
  if (kind === 0xbeac) {
    if (body.byteLength < 25) return null;
    return { kind: "altbeacon", companyId, idHex: hex(body, 4, 20), powerAt1mDbm: body.getInt8(24) };
  }
  return null;
}

function parseServiceData(body: DataView): BeaconFrame | null {
  if (body.byteLength < 4 || body.getUint16(0, true) !== SERVICE_EDDYSTONE) return null;
  const powerAt1mDbm = body.getInt8(3) - FIRST_METRE_LOSS_DB;
  switch (body.getUint8(2)) {
    case 0x00: // UID: power (1), namespace (10), instance (6), reserved (2, left out by some tags)
      if (body.byteLength < 20) return null;
      return { kind: "eddystone-uid", namespaceHex: hex(body, 4, 10), instanceHex: hex(body, 14, 6), powerAt1mDbm };
    case 0x30: // EID: power (1), ephemeral id (8)
      if (body.byteLength < 12) return null;
      return { kind: "eddystone-eid", ephemeralHex: hex(body, 4, 8), powerAt1mDbm };
    case 0x20: // TLM: version (1), battery mV (2), temperature 8.8 °C (2), frames sent (4), uptime 0.1 s (4). Version 1 is encrypted.
      if (body.byteLength < 16 || body.getUint8(3) !== 0x00) return null;
      return { kind: "eddystone-tlm", batteryMv: batteryOf(body.getUint16(4)), temperatureC: temperatureOf(body.getInt16(6)), uptimeS: body.getUint32(12) / 10 };
    default: // 0x10 URL and vendors' own frames name nobody
      return null;
  }
}

/** 0 mV: the tag has no gauge, for instance because it is powered by USB. */
function batteryOf(millivolts: number): number | null {
  return millivolts === 0 ? null : millivolts;
}

/** 0x8000 (-128 °C): no thermometer. */
function temperatureOf(fixedPoint: number): number | null {
  return fixedPoint === -0x8000 ? null : fixedPoint / 256;
}

function hex(body: DataView, offset: number, length: number): string {
  return Buffer.from(body.buffer, body.byteOffset + offset, length).toString("hex");
}

export function uuidOf(hex32: string): string {
  return `${hex32.slice(0, 8)}-${hex32.slice(8, 12)}-${hex32.slice(12, 16)}-${hex32.slice(16, 20)}-${hex32.slice(20)}`;
}
