import { describe, expect, it } from "vitest";
import { ConfigError } from "@konferenco/protocol";
import { DEFAULT_FUSION_CONFIG, parseFusionSettings } from "@konferenco/fusion";

describe("fusion's settings", () => {
  it("are the defaults where a venue says nothing", () => {
    expect(parseFusionSettings({}, "fusion.json")).toEqual(DEFAULT_FUSION_CONFIG);
  });

  it("take what a venue sets otherwise", () => {
    expect(parseFusionSettings({ dwellMs: 30_000 }, "fusion.json")).toEqual({ ...DEFAULT_FUSION_CONFIG, dwellMs: 30_000 });
  });

  it.each([
    [{ dwelMs: 1_000 }, /dwelMs/],
    [{ tickMs: 1 }, /tickMs/],
    [{ nearProbability: 0.5, apartProbability: 0.5 }, /apartProbability must be below nearProbability/],
    [{ forgetAfterMs: 5_000 }, /forgetAfterMs must be above windowMs/],
    ["no object", /fusion\.json/],
  ])("refuse %j and say why", (settings, why) => {
    expect(() => parseFusionSettings(settings, "fusion.json")).toThrow(ConfigError);
    expect(() => parseFusionSettings(settings, "fusion.json")).toThrow(why);
  });
});
