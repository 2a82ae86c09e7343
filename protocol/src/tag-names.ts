import { z } from "zod";
import { accepted, refuse, type Parsed } from "./errors.ts";
import type { TagId } from "./ids.ts";
import { MAX_MQTT_PAYLOAD_BYTES } from "./limits.ts";
import { parseJsonAs } from "./parse-json.ts";

/**
 * Tags that change their names (Eddystone-EID): what gateways need to know of them, and how they are
 * called in a report. Who is behind a name only fusion knows, which holds the keys.
 */

const EPHEMERAL_PREFIX = "eid:";
const EPHEMERAL = /^eid:[0-9a-f]{16}$/;

/** What a report calls a tag whose name changes: `eid:` and the 16 hex digits that are on the air. */
export function tagOfEphemeral(ephemeralHex: string): TagId {
  return `${EPHEMERAL_PREFIX}${ephemeralHex.toLowerCase()}`;
}

/** The 16 hex digits, or null for a tag that keeps its name. */
export function ephemeralOfTag(tagId: TagId): string | null {
  return EPHEMERAL.test(tagId) ? tagId.slice(EPHEMERAL_PREFIX.length) : null;
}

/** Tags with changing names in one event: three epochs of 4-byte heads in base64 fill one message of the broker. */
export const MAX_ROTATING_TAGS = 15_000;
/** The part of a name that gateways compare. A stranger's beacon passes as ours with 15,000 tags once in 95,000. */
export const NAME_HEAD_BYTES = 4;

const tagNamesSchema = z.object({
  v: z.literal(1),
  /** First 4 bytes of each name that is on the air in this epoch, the one before or the next, one after the other. */
  headsBase64: z.base64().max(MAX_MQTT_PAYLOAD_BYTES),
});

/** The names that are the event's now, on `tags/names`, retained, QoS 1. `heads`: unsigned 32-bit, big endian on the wire. */
export function encodeTagNames(heads: readonly number[]): string {
  const bytes = new Uint8Array(heads.length * NAME_HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  // In order, so that a place in the list says nothing about who it is.
  heads.toSorted((a, b) => a - b).forEach((head, index) => view.setUint32(index * NAME_HEAD_BYTES, head));
  return JSON.stringify({ v: 1, headsBase64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) });
}

export function parseTagNames(payload: Uint8Array): Parsed<ReadonlySet<number>> {
  const parsed = parseJsonAs(tagNamesSchema, payload);
  if (!parsed.ok) return parsed;
  const bytes = Uint8Array.from(atob(parsed.value.headsBase64), (character) => character.charCodeAt(0));
  if (bytes.length % NAME_HEAD_BYTES !== 0) return refuse("SHAPE_BAD", `headsBase64: ${bytes.length} bytes are not heads of ${NAME_HEAD_BYTES}`);
  const heads = new Set<number>();
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += NAME_HEAD_BYTES) heads.add(view.getUint32(at));
  return accepted(heads);
}

export function headOfEphemeral(ephemeralHex: string): number {
  return Number.parseInt(ephemeralHex.slice(0, 2 * NAME_HEAD_BYTES), 16);
}
