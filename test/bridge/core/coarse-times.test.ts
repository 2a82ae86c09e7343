import { describe, expect, it } from "vitest";
import { COARSE_WINDOW_MS, LONGEST_DELAY_MS, shownAsOfMs, shownStay, type Stay } from "../../../bridge/src/core/coarse-times.ts";

// The minutes are windows; the dice put each window's moment at its half, or where the test says.
const MINUTE_MS = 60_000;
const NOW_MS = 100 * MINUTE_MS;
const half = () => 0.5;

describe("the moment as of which strangers are told", () => {
  it("comes once a minute, at a second of the minute that the dice choose", () => {
    expect([29_999, 30_000, 30_001, 89_999, 90_000].map((ms) => shownAsOfMs("t", NOW_MS + ms, half) - NOW_MS)).toEqual([-30_000, 30_000, 30_000, 30_000, 90_000]);
  });

  it("is each tag's and each minute's own", () => {
    const asked: unknown[] = [];
    const dice = (tagId: string, window: number) => (asked.push([tagId, window]), 0.9);
    expect(shownAsOfMs("t", NOW_MS, dice)).toBe(NOW_MS - 6_000);
    expect(asked).toEqual([["t", 100], ["t", 99]]);
  });

  it("is never further back than the longest delay", () => {
    const late = (_: string, window: number) => (window === 100 ? 0.999 : 0);
    expect(NOW_MS + 59_000 - shownAsOfMs("t", NOW_MS + 59_000, late)).toBeLessThanOrEqual(LONGEST_DELAY_MS);
    expect(LONGEST_DELAY_MS).toBe(2 * COARSE_WINDOW_MS);
  });
});

describe("where strangers are shown a tag", () => {
  const stay = (zoneId: string, agoMs: number): Stay => ({ zoneId, floor: 0, sinceMs: NOW_MS - agoMs });
  const shown = (stays: Stay[], notBeforeMs?: number) => shownStay({ tagId: "t", stays, gridXM: 0, gridYM: 0 }, NOW_MS, half, notBeforeMs)?.zoneId ?? null;

  it("is where it was at that moment: the steps since are not seen", () => {
    expect(shown([stay("hall", 90_000), stay("stand", 50_000), stay("bar", 20_000)])).toBe("stand");
    expect(shown([stay("hall", 90_000), stay("stand", 30_001), stay("bar", 30_000)])).toBe("bar");
    expect(shown([stay("hall", 90_000), stay("stand", 30_001), stay("bar", 29_999)])).toBe("stand");
  });

  it("is where it was first heard, for one that was heard after that moment alone", () => {
    expect(shown([stay("door", 20_000), stay("hall", 10_000)])).toBe("door");
    expect(shown([stay("door", 20_000)])).toBe("door");
    expect(shown([])).toBeNull();
  });

  it("is where it is, once it has been there for the longest delay", () => {
    expect(shown([stay("hall", LONGEST_DELAY_MS + 1), stay("bar", LONGEST_DELAY_MS)])).toBe("bar");
  });

  it("is no place of before its person began to show it", () => {
    const stays = [stay("hall", 90_000), stay("stand", 50_000), stay("bar", 20_000)];
    expect(shown(stays, NOW_MS - 20_000)).toBe("bar");
    expect(shown(stays, NOW_MS - 20_001)).toBe("stand");
    expect(shown(stays, NOW_MS - 60_000)).toBe("stand");
  });
});
