import { createCipheriv, createDecipheriv, randomFillSync, type CipherGCM, type DecipherGCM } from "node:crypto";
import type { UpdateId } from "@konferenco/protocol";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Offset and time, eight bytes each. */
const NUMBERS_BYTES = 16;
const MAX_EPOCH_BYTES = 64;

/** Where a reader stood in the log, and when: old whereabouts of others are not replayed. */
export interface Place extends UpdateId {
  atMs: number;
}

/**
 * A place in the log, sealed with AES-256-GCM: two cursors of one place share no byte, so that nobody can
 * count the hidden events between them, and a cursor opens for its own viewer alone.
 */
export function sealCursor(key: Uint8Array, viewer: string, place: Place): string {
  const nonce = nextNonce();
  const cipher: CipherGCM = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(viewer));
  const plain = Buffer.alloc(NUMBERS_BYTES + Buffer.byteLength(place.epoch));
  plain.writeDoubleBE(place.offset, 0);
  plain.writeDoubleBE(place.atMs, 8);
  plain.write(place.epoch, NUMBERS_BYTES);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
}

/** Nonces are drawn 256 at a time: a draw for each frame cost a third of its sealing. */
const nonces = Buffer.alloc(256 * NONCE_BYTES);
let noncesUsedBytes = nonces.length;

/** Good until the next call: the caller copies it. */
function nextNonce(): Uint8Array {
  if (noncesUsedBytes === nonces.length) {
    randomFillSync(nonces);
    noncesUsedBytes = 0;
  }
  noncesUsedBytes += NONCE_BYTES;
  return nonces.subarray(noncesUsedBytes - NONCE_BYTES, noncesUsedBytes);
}

/** Null for anything that we did not seal for this viewer. What stands behind a dot is the pass of a stream (tickets.ts), whose ids are cursors too. */
export function openCursor(key: Uint8Array, viewer: string, sealed: string): Place | null {
  const bytes = Buffer.from(sealed.split(".", 1)[0] ?? "", "base64url");
  const textBytes = bytes.length - NONCE_BYTES - TAG_BYTES;
  if (textBytes < NUMBERS_BYTES || textBytes > NUMBERS_BYTES + MAX_EPOCH_BYTES) return null;
  try {
    const decipher: DecipherGCM = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(viewer));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return { offset: plain.readDoubleBE(0), atMs: plain.readDoubleBE(8), epoch: plain.toString("utf8", NUMBERS_BYTES) };
  } catch {
    return null; // forged, cut off, or somebody else's
  }
}
