import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { newLinks, type Links } from "../../../fusion/src/core/links.ts";
import { readWindow, type Reading } from "../../../fusion/src/core/window.ts";
import { hear } from "../links.ts";

/** When each gateway heard the tag. */
function heard(...heardAtMs: (readonly number[])[]): Links {
  const links = newLinks();
  heardAtMs.forEach((times, gateway) => times.forEach((atMs) => hear(links, gateway, -60, atMs)));
  return links;
}

describe("the window of a tag", () => {
  it("two readings in five seconds say nothing, a third one speaks", () => {
    expect(readWindow("tag", heard([1_000], [2_000]), 5_000, config)).toBeNull();
    expect(readWindow("tag", heard([1_000], [2_000], [3_000]), 5_000, config)).toMatchObject({ samples: 3 });
  });

  it("three readings of one gateway are enough for a verdict on its zone", () => {
    expect(readWindow("tag", heard([1_000, 2_000, 3_000]), 5_000, config)).toMatchObject({ samples: 3, readings: [{ gateway: 0, samples: 3 }] });
  });

  it("what was heard five seconds ago or longer is out", () => {
    const links = heard([1_000, 2_000, 3_000], [500]);
    expect(readWindow("tag", links, 5_499, config)?.readings).toHaveLength(2);
    expect(readWindow("tag", links, 5_500, config)?.readings).toHaveLength(1);
    expect(readWindow("tag", links, 6_000, config)).toBeNull();
  });

  it("a gateway that was heard a while ago is less sure", () => {
    const at = (nowMs: number) => readWindow("tag", heard([1_000, 2_000, 3_000]), nowMs, config)?.readings[0]?.varianceDb2 as number;
    expect(at(5_000) - at(3_000)).toBeCloseTo(2 * config.processNoiseDb2PerS);
  });

  it("an impossible reading is not a reading", () => {
    const links = heard([1_000, 2_000]);
    expect(hear(links, 0, -1, 3_000)).toBe(true);
    expect(readWindow("tag", links, 4_000, config)).toBeNull();
  });

  it("of one tag is read into the readings of the one before, and says nothing of it", () => {
    const into: Reading[] = [];
    readWindow("tag", heard([1_000], [1_000], [1_000], [1_000]), 2_000, config, into);
    const fewer = heard([], [1_000, 1_500, 1_700], [1_200]);
    expect(readWindow("tag", fewer, 2_000, config, into)).toEqual(readWindow("tag", fewer, 2_000, config));
    expect(readWindow("tag", fewer, 2_000, config, into)?.readings).toBe(into);
  });
});
