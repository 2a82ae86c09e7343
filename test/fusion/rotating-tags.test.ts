import { describe, expect, it } from "vitest";
import { headOfEphemeral } from "@konferenco/protocol";
import { ephemeralId, newRotatingTags, parseTagKeys, type TagKeys } from "@konferenco/fusion";

/** Vectors of github.com/RadiusNetworks/ephemeral_calc, spec/encryptor_spec.rb. */
const KEY_HEX = "0102030405060708090a111213141516";
const VECTORS = [
  { counterS: 0, ephemeralHex: "a9b76a71c5f89290" },
  { counterS: 2_000, ephemeralHex: "4144413e45fefa58" },
] as const;

const PERIOD_MS = 1_024_000;
const keys = (over: Partial<TagKeys> = {}): TagKeys => parseTagKeys({ v: 1, exponent: 10, counterZeroAtMs: 0, tags: [{ tagId: "badge-1", identityKeyHex: KEY_HEX }], ...over }, "keys.json");
const nameAt = (epoch: number, keyHex = KEY_HEX) => ephemeralId(Buffer.from(keyHex, "hex"), epoch * 1_024, 10);

describe("a name that changes", () => {
  it.each(VECTORS)("is Eddystone's own: $ephemeralHex at $counterS s", ({ counterS, ephemeralHex }) => {
    expect(ephemeralId(Buffer.from(KEY_HEX, "hex"), counterS, 10)).toBe(ephemeralHex);
  });

  it("is the same within an epoch and another in the next, also past the roll-over of the temporary key", () => {
    for (const epoch of [0, 63, 64, 4_194_303]) {
      expect(ephemeralId(Buffer.from(KEY_HEX, "hex"), epoch * 1_024 + 1_023, 10)).toBe(nameAt(epoch));
      expect(nameAt(epoch + 1)).not.toBe(nameAt(epoch));
    }
  });
});

describe("who is behind it", () => {
  it("is known in its epoch and, for clocks that drift, in the ones beside it; a replay from earlier is nobody", () => {
    const tags = newRotatingTags(keys());
    const atMs = 10 * PERIOD_MS + 5;
    expect([8, 9, 10, 11, 12].map((epoch) => tags.tagOf(nameAt(epoch), atMs))).toEqual([null, "badge-1", "badge-1", "badge-1", null]);
    expect(tags.tagOf("0000000000000000", atMs)).toBeNull();
  });

  it("stays known while time goes on, whether or not epochs were prepared", () => {
    const prepared = newRotatingTags(keys());
    const lazy = newRotatingTags(keys());
    for (let epoch = 0; epoch < 20; epoch++) {
      for (const tags of [prepared, lazy]) expect(tags.tagOf(nameAt(epoch), epoch * PERIOD_MS)).toBe("badge-1");
      prepared.prepare(epoch * PERIOD_MS);
    }
  });

  it("gateways are told three epochs of names, and when to expect the next", () => {
    const tags = newRotatingTags(keys());
    const atMs = 10 * PERIOD_MS + 5;
    expect(tags.headsAround(atMs)).toEqual([10, 9, 11].map((epoch) => headOfEphemeral(nameAt(epoch))));
    expect(tags.epochEndMs(atMs)).toBe(11 * PERIOD_MS);
  });

  it("a tag whose counter began an epoch later is one epoch younger, and has no name before it was born", () => {
    const other = "ffffffffffffffffffffffffffffffff";
    const tags = newRotatingTags(keys({ tags: [{ tagId: "badge-1", identityKeyHex: KEY_HEX }, { tagId: "late", identityKeyHex: other, counterZeroAtMs: 5 * PERIOD_MS }] }));
    expect(tags.tagOf(nameAt(5, other), 10 * PERIOD_MS)).toBe("late");
    expect(tags.headsAround(3 * PERIOD_MS)).toHaveLength(3);
  });
});

describe("a file of keys", () => {
  it.each([
    ["a tag on a timer of its own", { tags: [{ tagId: "a", identityKeyHex: KEY_HEX, counterZeroAtMs: 60_000 }] }, /another time than the others/],
    ["a tag twice", { tags: [{ tagId: "a", identityKeyHex: KEY_HEX }, { tagId: "a", identityKeyHex: KEY_HEX }] }, /twice/],
    ["a short key", { tags: [{ tagId: "a", identityKeyHex: "00" }] }, /tags\.0\.identityKeyHex: must be 32 hex digits/],
    ["names that never change", { exponent: 20 }, /exponent/],
    ["something else", { hello: 1 }, /konferenco tag-keys/],
  ])("with %s is refused, with the reason", (_what, over, words) => {
    expect(() => keys(over as Partial<TagKeys>)).toThrow(words);
  });
});
