import { MAX_ID_LENGTH } from "./limits.ts";
import { accepted, refuse, type Parsed } from "./errors.ts";

/** The conference or show: the topic segment `{event_id}`. */
export type EventId = string;
/** A BLE transmitter carried by a person or thing; a per-event pseudonym. `gateway:X` is gateway X's own transmitter. */
export type TagId = string;
/** A fixed receiver at a surveyed place. */
export type GatewayId = string;
export type ZoneId = string;
/** An opaque id of a person inside one event. Never a tag id. */
export type PersonId = string;

const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/;

// Names that JavaScript objects inherit. Maps make them harmless here; other readers of our JSON
// may not use maps, so they are refused at the door.
const RESERVED = new Set([...Object.getOwnPropertyNames(Object.prototype), "prototype"]);

/** Checks an id from outside: 1-64 of `A-Z a-z 0-9 . _ : -`, beginning with a letter or digit, not a prototype name. */
export function parseId(value: unknown): Parsed<string> {
  if (typeof value !== "string") return refuse("ID_BAD", `an id must be a string, got ${typeof value}`);
  if (RESERVED.has(value)) return refuse("ID_RESERVED", `"${value}" is a reserved name`);
  if (value.length > MAX_ID_LENGTH || !ID_PATTERN.test(value)) {
    return refuse("ID_BAD", `"${value.slice(0, MAX_ID_LENGTH)}" is not an id: 1-${MAX_ID_LENGTH} of A-Z a-z 0-9 . _ : -`);
  }
  return accepted(value);
}

export function isId(value: unknown): value is string {
  return parseId(value).ok;
}

const GATEWAY_TAG_PREFIX = "gateway:";

/** The gateway whose own advertisement this tag id stands for, or null for an ordinary tag. */
export function gatewayOfTag(tagId: TagId): GatewayId | null {
  return tagId.startsWith(GATEWAY_TAG_PREFIX) ? tagId.slice(GATEWAY_TAG_PREFIX.length) : null;
}

export function tagOfGateway(gatewayId: GatewayId): TagId {
  return `${GATEWAY_TAG_PREFIX}${gatewayId}`;
}
