import { createHmac, hkdfSync } from "node:crypto";
import { ConfigError } from "@konferenco/protocol";

export interface BridgeKeys {
  token: Uint8Array;
  cursor: Uint8Array;
  eventRef: Uint8Array;
  publicCount: Uint8Array;
  password: Uint8Array;
  whenShown: Uint8Array;
  streamPass: Uint8Array;
  attendance: Uint8Array;
}

/** One secret, eight keys: whoever learns one has none of the others. The event is in the salt, so events share none either. */
export function deriveKeys(secret: Uint8Array, eventId: string): BridgeKeys {
  if (secret.length < 32) {
    throw new ConfigError(`the bridge's secret has ${secret.length} bytes and needs at least 32: make one with "openssl rand -base64 48"`);
  }
  if (new Set(secret).size < 8) {
    throw new ConfigError('the bridge\'s secret is not random (fewer than 8 different bytes): make one with "openssl rand -base64 48"');
  }
  const derive = (purpose: string) => new Uint8Array(hkdfSync("sha256", secret, `konferenco ${eventId}`, purpose, 32));
  return { token: derive("token"), cursor: derive("cursor"), eventRef: derive("event reference"), publicCount: derive("public count"), password: derive("password"), whenShown: derive("when strangers are shown"), streamPass: derive("stream pass"), attendance: derive("attendance") };
}

/** The id by which clients recognise a logged update: the same for all viewers, and nothing can be read from it or counted by it. */
export function eventRefOf(key: Uint8Array, epoch: string, offset: number): string {
  return createHmac("sha256", key).update(`${epoch} ${offset}`).digest("base64url").slice(0, 16);
}

/** Two numbers in [0, 1) that depend on the key, the zone and the window alone. */
export function publicDice(key: Uint8Array, zoneId: string, window: number): [number, number] {
  const digest = createHmac("sha256", key).update(`${window} ${zoneId}`).digest();
  return [digest.readUInt32BE(0) / 2 ** 32, digest.readUInt32BE(4) / 2 ** 32];
}
