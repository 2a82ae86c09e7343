import fs from "node:fs";
import path from "node:path";

/** A real HCI event: LE (extended) advertising report. */
export interface AdvertisingVector {
  test: string;
  hex: string;
  extended: boolean;
  rssiDbm: number;
}

const root = path.resolve(import.meta.dirname, "../..");

/** Twelve of them, in the repository. */
export const SMALL_SET = path.join(root, "test/fixtures/ble-adv-hex/vectors.csv");
/** All 283, beside the repository on the machines where it was made. */
export const WHOLE_SET = path.join(root, "../shared/data/ble-adv-hex/ble_monitor_hci.csv");

export function readVectors(file: string): AdvertisingVector[] {
  const [, ...rows] = fs.readFileSync(file, "utf8").trim().split("\n");
  return rows.map((row) => {
    const [, test, hex] = row.split(",") as [string, string, string];
    const bytes = Buffer.from(hex, "hex");
    const extended = bytes[3] === 0x0d;
    // An extended report has its RSSI before the data (7.7.65.13), a legacy one at its end; the file's last column knows the latter only.
    return { test, hex, extended, rssiDbm: bytes.readInt8(extended ? 5 + 13 : bytes.length - 1) };
  });
}
