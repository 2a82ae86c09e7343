import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { addToLink, newLink, readWindow, type Link } from "../../../fusion/src/core/window.ts";

function link(gateway: number, ...heardAtMs: number[]): Link {
  const [first, ...rest] = heardAtMs.map((atMs) => ({ tagId: "tag", gatewayId: `gw-${gateway}`, rssiDbm: -60, heardAtMs: atMs }));
  const made = newLink(gateway, first as NonNullable<typeof first>, config);
  for (const observation of rest) addToLink(made, observation, config);
  return made;
}

describe("the window of a tag", () => {
  it("two readings in five seconds say nothing, a third one speaks", () => {
    expect(readWindow("tag", [link(0, 1_000), link(1, 2_000)], 5_000, config)).toBeNull();
    expect(readWindow("tag", [link(0, 1_000), link(1, 2_000), link(2, 3_000)], 5_000, config)).toMatchObject({ samples: 3 });
  });

  it("three readings of one gateway are enough for a verdict on its zone", () => {
    expect(readWindow("tag", [link(0, 1_000, 2_000, 3_000)], 5_000, config)).toMatchObject({ samples: 3, readings: [{ gateway: 0, samples: 3 }] });
  });

  it("what was heard five seconds ago or longer is out", () => {
    const links = [link(0, 1_000, 2_000, 3_000), link(1, 500)];
    expect(readWindow("tag", links, 5_499, config)?.readings).toHaveLength(2);
    expect(readWindow("tag", links, 5_500, config)?.readings).toHaveLength(1);
    expect(readWindow("tag", links, 6_000, config)).toBeNull();
  });

  it("a gateway that was heard a while ago is less sure", () => {
    const at = (nowMs: number) => readWindow("tag", [link(0, 1_000, 2_000, 3_000)], nowMs, config)?.readings[0]?.varianceDb2 as number;
    expect(at(5_000) - at(3_000)).toBeCloseTo(2 * config.processNoiseDb2PerS);
  });

  it("an impossible reading is not a reading", () => {
    const odd = link(0, 1_000, 2_000);
    addToLink(odd, { tagId: "tag", gatewayId: "gw-0", rssiDbm: -1, heardAtMs: 3_000 }, config);
    expect(readWindow("tag", [odd], 4_000, config)).toBeNull();
  });
});
