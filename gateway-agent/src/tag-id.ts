import { createHash } from "node:crypto";
import { headOfEphemeral, tagOfEphemeral, tagOfGateway, type EventId, type GatewayId, type TagId } from "@konferenco/protocol";
import { uuidOf, type BeaconFrame } from "./advertisement.ts";

/**
 * Which advertisement is an enrolled tag's. Everything else belongs to phones and watches of people who
 * never asked to be located: it ends here, in RAM, uncounted by address and never logged.
 */

/** What marks this event's own tags, derived from the name `konferenco-{eventId}` (requirement A6). */
export interface EventIdentity {
  /** `uuidgen --sha1 --namespace @dns --name konferenco-{eventId}` prints the same. */
  ibeaconUuid: string;
  /** `printf konferenco-{eventId} | sha256sum | cut -c1-20` prints the same. */
  eddystoneNamespaceHex: string;
}

/**
 * The name-based UUID (version 5, RFC 9562 section 5.5) in the DNS namespace: not because the name is a
 * host, but because every tool that venue staff may have at hand knows that namespace by name.
 */
export function eventIdentity(eventId: EventId): EventIdentity {
  const name = `konferenco-${eventId}`;
  return {
    ibeaconUuid: uuidV5(NAMESPACE_DNS, name),
    // Eddystone-UID wants 10 bytes of a hash; two events collide with probability 2^-80.
    eddystoneNamespaceHex: createHash("sha256").update(name).digest("hex").slice(0, 20),
  };
}

const NAMESPACE_DNS = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

export function uuidV5(namespace: string, name: string): string {
  const hash = createHash("sha1").update(Buffer.from(namespace.replaceAll("-", ""), "hex")).update(name, "utf8").digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidOf(hash.toString("hex", 0, 16));
}

/** iBeacon major of gateways' own transmitters. Never an attendee's tag, whatever the minor. */
export const GATEWAY_MAJOR = 0xffff;

/** A tag by one of its names on the air. Written by staff for tags that do not carry the event's identity. */
export interface Enrolment {
  tagId: TagId;
  address?: string | undefined;
  ibeacon?: { uuid: string; major: number; minor: number } | undefined;
  /** Namespace and instance, 32 hex digits. */
  eddystoneUid?: string | undefined;
  /** 40 hex digits. */
  altbeacon?: string | undefined;
}

export interface EnrolmentTable {
  identity: EventIdentity;
  /** `ibeacon:<uuid>:<major>:<minor>`, `eddystone:<hex>`, `altbeacon:<hex>` or `address:<mac>` to a tag. About 150 bytes a row. */
  byName: ReadonlyMap<string, TagId>;
  /** Heads of the changing names that are the event's now, as the broker last told: see `parseTagNames`. */
  ephemeralHeads: ReadonlySet<number>;
}

export function newEnrolmentTable(options: { eventId: EventId; enrolled: readonly Enrolment[]; gatewayMinors: Readonly<Record<GatewayId, number>> }): EnrolmentTable {
  const identity = eventIdentity(options.eventId);
  const byName = new Map<string, TagId>();
  for (const [gatewayId, minor] of Object.entries(options.gatewayMinors)) {
    byName.set(ibeaconName(identity.ibeaconUuid, GATEWAY_MAJOR, minor), tagOfGateway(gatewayId));
  }
  for (const { tagId, address, ibeacon, eddystoneUid, altbeacon } of options.enrolled) {
    if (address !== undefined) byName.set(`address:${address.toLowerCase()}`, tagId);
    if (ibeacon !== undefined) byName.set(ibeaconName(ibeacon.uuid.toLowerCase(), ibeacon.major, ibeacon.minor), tagId);
    if (eddystoneUid !== undefined) byName.set(`eddystone:${eddystoneUid.toLowerCase()}`, tagId);
    if (altbeacon !== undefined) byName.set(`altbeacon:${altbeacon.toLowerCase()}`, tagId);
  }
  return { identity, byName, ephemeralHeads: new Set() };
}

/** The tag that sent this, or null for a stranger. Staff's list goes before the event's own identity. */
export function tagOfAdvertisement(table: EnrolmentTable, address: string, frames: readonly BeaconFrame[]): TagId | null {
  for (const frame of frames) {
    const tagId = tagOfFrame(table, frame);
    if (tagId !== null) return tagId;
  }
  return table.byName.get(`address:${address}`) ?? null;
}

function tagOfFrame({ identity, byName, ephemeralHeads }: EnrolmentTable, frame: BeaconFrame): TagId | null {
  switch (frame.kind) {
    case "ibeacon": {
      const listed = byName.get(ibeaconName(frame.uuid, frame.major, frame.minor));
      if (listed !== undefined) return listed;
      if (frame.uuid !== identity.ibeaconUuid || frame.major === GATEWAY_MAJOR) return null;
      return `ib:${frame.major}:${frame.minor}`;
    }
    case "eddystone-uid": {
      const listed = byName.get(`eddystone:${frame.namespaceHex}${frame.instanceHex}`);
      if (listed !== undefined) return listed;
      return frame.namespaceHex === identity.eddystoneNamespaceHex ? `ed:${frame.instanceHex}` : null;
    }
    case "altbeacon":
      return byName.get(`altbeacon:${frame.idHex}`) ?? null;
    case "eddystone-eid": // ours or not is all that a gateway can tell: who it is knows fusion, which holds the keys
      return ephemeralHeads.has(headOfEphemeral(frame.ephemeralHex)) ? tagOfEphemeral(frame.ephemeralHex) : null;
    case "eddystone-tlm": // measures and does not name
      return null;
  }
}

function ibeaconName(uuid: string, major: number, minor: number): string {
  return `ibeacon:${uuid}:${major}:${minor}`;
}
