import { createCipheriv } from "node:crypto";
import { z } from "zod";
import { ConfigError, headOfEphemeral, idSchema, MAX_ROTATING_TAGS, type TagId } from "@konferenco/protocol";

/**
 * Tags whose names change (Eddystone-EID, github.com/google/eddystone, eid-computation.md). A name is
 * AES of the time under the tag's own key, so that nobody without the keys can tell that two names of two
 * epochs are one tag. All tags of an event change in the same instant: with a timer of its own each, 95 % of
 * changes are linked by who vanished when somebody new appeared, in one common epoch 4 % (200 people, 10 zones).
 */

/** The file of `--tag-keys`. Whoever has it can follow every tag: it stays beside fusion, never on a gateway. */
const tagKeysSchema = z.strictObject({
  v: z.literal(1),
  /** Names change every 2^exponent seconds: 10 is 17 minutes. Shorter than 64 s hardly helps, longer than 9 h is static. */
  exponent: z.number().int().min(6).max(15),
  /** When the tags' seconds counters stood at zero, on our clock. */
  counterZeroAtMs: z.number().finite(),
  tags: z
    .array(
      z.strictObject({
        tagId: idSchema,
        identityKeyHex: z.string().regex(/^[0-9a-fA-F]{32}$/, "must be 32 hex digits (AES-128)"),
        /** Of a tag whose counter began at another time. */
        counterZeroAtMs: z.number().finite().optional(),
      }),
    )
    .max(MAX_ROTATING_TAGS),
});
export type TagKeys = z.infer<typeof tagKeysSchema>;

/** Reads the file's JSON. Throws `ConfigError` with what to mend; `source` names the file. */
export function parseTagKeys(json: unknown, source: string): TagKeys {
  const parsed = tagKeysSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ConfigError(`${source}: ${issue?.path.join(".") || "file"}: ${issue?.message ?? "does not fit"} (konferenco tag-keys makes such a file)`);
  }
  const keys = parsed.data;
  const known = new Set<TagId>();
  for (const { tagId, counterZeroAtMs } of keys.tags) {
    if (known.has(tagId)) throw new ConfigError(`${source}: tag "${tagId}" is there twice`);
    known.add(tagId);
    const apartMs = Math.abs((counterZeroAtMs ?? keys.counterZeroAtMs) - keys.counterZeroAtMs) % epochMs(keys.exponent);
    if (apartMs !== 0) {
      throw new ConfigError(`${source}: tag "${tagId}" would change its name at another time than the others, and could be followed by it: set its counter so that it began a multiple of ${epochMs(keys.exponent) / 1_000} s before or after theirs`);
    }
  }
  return keys;
}

/** Epochs before and after the present one in which a name is still good: clocks of tags drift by up to 150 ppm, 13 s a day. */
const EPOCHS_AROUND = 1;

/** The names of all tags in the epochs around now, both ways. About 130 bytes per tag and epoch, at most four epochs. */
export interface RotatingTags {
  /** Whose name this was at that time, or null: a stranger's, or one that is too old to be anything but a replay. */
  tagOf(ephemeralHex: string, atMs: number): TagId | null;
  /** What is on the air about now, for gateways: see `encodeTagNames`. */
  headsAround(atMs: number): number[];
  /** When the next epoch begins. */
  epochEndMs(atMs: number): number;
  /** Computes a slice of the epoch to come, so that its beginning costs nobody 100 ms. Called with every tick. */
  prepare(nowMs: number): void;
}

/** A slice of `prepare`: about 1 ms, all 15,000 tags within 20 s of ticks. */
const TAGS_PER_SLICE = 400;

export function newRotatingTags(keys: TagKeys): RotatingTags {
  const periodMs = epochMs(keys.exponent);
  const tags = keys.tags.map(({ tagId, identityKeyHex, counterZeroAtMs }) => ({
    tagId,
    identityKey: Buffer.from(identityKeyHex, "hex"),
    zeroMs: counterZeroAtMs ?? keys.counterZeroAtMs,
  }));
  const epochs = new Map<number, { names: Map<string, TagId>; done: number }>();
  const epochAt = (atMs: number) => Math.floor((atMs - keys.counterZeroAtMs) / periodMs);

  function namesOf(epoch: number, upTo = tags.length): ReadonlyMap<string, TagId> {
    let made = epochs.get(epoch);
    if (made === undefined) {
      made = { names: new Map(), done: 0 };
      epochs.set(epoch, made);
      // The oldest goes: two around the present one, and the one that is being prepared.
      if (epochs.size > 2 * EPOCHS_AROUND + 2) epochs.delete(Math.min(...epochs.keys()));
    }
    const startMs = keys.counterZeroAtMs + epoch * periodMs;
    for (; made.done < Math.min(upTo, tags.length); made.done++) {
      const { tagId, identityKey, zeroMs } = tags[made.done] as (typeof tags)[number];
      const counterS = Math.round((startMs - zeroMs) / 1_000);
      // A tag that was not born yet has no name.
      if (counterS >= 0) made.names.set(ephemeralId(identityKey, counterS, keys.exponent), tagId);
    }
    return made.names;
  }

  function around(atMs: number): ReadonlyMap<string, TagId>[] {
    const present = epochAt(atMs);
    return [present, present - EPOCHS_AROUND, present + EPOCHS_AROUND].map((epoch) => namesOf(epoch));
  }

  return {
    tagOf(ephemeralHex, atMs) {
      const present = epochAt(atMs);
      for (const epoch of [present, present - EPOCHS_AROUND, present + EPOCHS_AROUND]) {
        const tagId = namesOf(epoch).get(ephemeralHex);
        if (tagId !== undefined) return tagId;
      }
      return null;
    },
    headsAround: (atMs) => around(atMs).flatMap((names) => Array.from(names.keys(), headOfEphemeral)),
    epochEndMs: (atMs) => keys.counterZeroAtMs + (epochAt(atMs) + 1) * periodMs,
    prepare(nowMs) {
      const next = epochAt(nowMs) + EPOCHS_AROUND + 1;
      const done = epochs.get(next)?.done ?? 0;
      if (done < tags.length) namesOf(next, done + TAGS_PER_SLICE);
    },
  };
}

function epochMs(exponent: number): number {
  return 2 ** exponent * 1_000;
}

/** The name on the air, 16 hex digits, of the tag with this AES-128 key when its counter stands at `counterS`. */
export function ephemeralId(identityKey: Uint8Array, counterS: number, exponent: number): string {
  const salted = Buffer.alloc(16);
  salted[11] = 0xff;
  salted.writeUInt16BE((counterS >>> 16) & 0xffff, 14);
  const timed = Buffer.alloc(16);
  timed[11] = exponent;
  timed.writeUInt32BE(((counterS >>> exponent) << exponent) >>> 0, 12);
  return aesBlock(aesBlock(identityKey, salted), timed).toString("hex", 0, 8);
}

function aesBlock(key: Uint8Array, block: Uint8Array): Buffer {
  // One block under a key of its own: the specification's construction, no mode of operation is needed.
  return createCipheriv("aes-128-ecb", key, null).setAutoPadding(false).update(block);
}
