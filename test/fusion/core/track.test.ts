import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fix } from "../../../fusion/src/core/fix.ts";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { accuracy95MOf, advanceTrack, newTrack, positionOf, sourceOf, trackOfPosition, updateTrack, type Track } from "../../../fusion/src/core/track.ts";

function fixAt(xM: number, yM: number, over: Partial<Fix> = {}): Fix {
  return { tagId: "tag", atMs: 0, xM, yM, floor: 0, accuracy95M: 4, source: "beacon", zoneEvidence: null, ...over };
}

/** A track that is given a fix every 500 ms. */
function follow(fixes: readonly Fix[], track: Track = newTrack(fixes[0] as Fix, 0, config), fromMs = 0): Track {
  fixes.forEach((fix, i) => {
    const nowMs = fromMs + (i + 1) * 500;
    advanceTrack(track, nowMs, config);
    updateTrack(track, fix, nowMs, config);
  });
  return track;
}

const still = (count: number) => Array.from({ length: count }, () => fixAt(5, 5));

describe("a track", () => {
  it("of somebody who stands is where the fixes are, with no speed", () => {
    const track = follow(still(40));
    expect(track.xM).toBeCloseTo(5);
    expect(Math.hypot(track.vxMps, track.vyMps)).toBeCloseTo(0);
  });

  it("of somebody who walks at 1 m/s knows more than half of their speed and lags by less than three metres", () => {
    const track = follow(Array.from({ length: 60 }, (_, i) => fixAt(5 + i * 0.5, 5)));
    expect(track.vxMps).toBeGreaterThan(0.5);
    expect(track.vxMps).toBeLessThan(1.1);
    expect(5 + 59 * 0.5 - track.xM).toBeLessThan(3);
  });

  it("of GPS alone stays as unsure as the receiver is, and follows who walks; beside gateways GPS counts by all of its error", () => {
    const gps = (xM: number) => fixAt(xM, 5, { source: "gps", accuracy95M: 8 });
    const stands = follow(Array.from({ length: 120 }, () => gps(5)));
    expect(accuracy95MOf(stands)).toBeGreaterThan(0.8 * 8);
    expect(accuracy95MOf(stands)).toBeLessThan(1.1 * 8);
    const walks = Array.from({ length: 60 }, (_, i) => gps(5 + i * 0.6));
    expect(5 + 59 * 0.6 - follow(walks).xM).toBeLessThan(1);
    expect(follow([...still(40), gps(9)]).xM).toBeLessThan(6);
  });

  it("of a phone whose scans are some seconds apart goes no further to a GPS that is off than by all of its error", () => {
    const [scan, far] = [fixAt(5, 5, { source: "wifi" }), fixAt(25, 5, { source: "gps", accuracy95M: 25 })];
    const eightSeconds = Array.from({ length: 16 }, () => far);
    const track = follow([scan, ...eightSeconds, scan, ...eightSeconds]);
    const averaged = follow([scan, ...eightSeconds, scan, ...Array.from({ length: 16 }, () => ({ ...far, source: "wifi" as const }))]);
    expect(track.xM).toBeCloseTo(averaged.xM, 9);
  });

  it("of somebody who falls silent coasts a few metres and stops, ever less sure of the place", () => {
    const track = follow(Array.from({ length: 60 }, (_, i) => fixAt(5 + i * 0.5, 5)));
    const [atM, sureM] = [track.xM, accuracy95MOf(track)];
    let beforeM = sureM;
    for (let nowMs = 30_500; nowMs <= 60_000; nowMs += 500) {
      advanceTrack(track, nowMs, config);
      expect(accuracy95MOf(track)).toBeGreaterThan(beforeM);
      beforeM = accuracy95MOf(track);
    }
    expect(track.xM - atM).toBeGreaterThan(1);
    expect(track.xM - atM).toBeLessThan(5);
    expect(Math.abs(track.vxMps)).toBeLessThan(0.01);
    expect(beforeM).toBeGreaterThan(sureM + 5);
  });

  it("advances alike in one long step and in many short ones", () => {
    const [once, often] = [follow(still(3)), follow(still(3))];
    once.vxMps = often.vxMps = 1;
    advanceTrack(once, 11_500, config);
    for (let nowMs = 1_600; nowMs <= 11_500; nowMs += 100) advanceTrack(often, nowMs, config);
    expect(once.xM).toBeCloseTo(often.xM, 9);
    expect(once.placeVarianceM2).toBeCloseTo(often.placeVarianceM2, 9);
    expect(once.velocityVarianceM2ps2).toBeCloseTo(often.velocityVarianceM2ps2, 9);
  });

  it("is not moved by one fix at the other end of the hall", () => {
    const track = follow([...still(20), fixAt(80, 80)]);
    expect(Math.hypot(track.xM - 5, track.yM - 5)).toBeLessThan(0.01);
  });

  it("is taken to the other end when the fixes stay there for most of a window", () => {
    const track = follow(still(20));
    follow(Array.from({ length: 8 }, () => fixAt(80, 80)), track, 10_000);
    expect(track.xM).toBeLessThan(10);
    follow([fixAt(80, 80)], track, 14_000);
    expect(track.xM).toBeCloseTo(80);
  });

  it("follows a check-in at once: somebody stood at the desk", () => {
    const track = follow([...still(20), fixAt(80, 80, { source: "check-in", accuracy95M: 2 })]);
    expect(track.xM).toBeCloseTo(80);
  });

  it("says which technology it comes from, and fusion when there are two", () => {
    const track = follow(still(4));
    expect(sourceOf(track, 2_000, config)).toBe("beacon");
    updateTrack(track, fixAt(5, 5, { source: "wifi", accuracy95M: 12 }), 2_000, config);
    expect(sourceOf(track, 2_000, config)).toBe("fusion");
    expect(sourceOf(track, 2_000 + config.windowMs + 1, config)).toBe("beacon");
  });

  it("is drawn less by a fix that claims less", () => {
    const gps = (accuracy95M: number) => follow([...still(20), fixAt(8, 5, { source: "gps", accuracy95M })]).xM;
    expect(gps(3)).toBeGreaterThan(gps(10));
    expect(gps(10)).toBeGreaterThan(gps(50));
  });

  it("of a stored position goes on from there", () => {
    const track = follow(Array.from({ length: 20 }, (_, i) => fixAt(i * 0.4, 5)));
    const position = positionOf(track, "tag", { zoneId: "left", floor: 0, confidence: 0.8, activity: null }, config);
    const restored = trackOfPosition(position, config);
    expect(restored).toMatchObject({ atMs: track.atMs, xM: track.xM, vxMps: track.vxMps });
    expect(accuracy95MOf(restored)).toBeGreaterThanOrEqual(position.accuracy95M);
  });

  it("has finite numbers and a variance above nothing, whatever fixes come", () => {
    const metres = fc.double({ min: -1e5, max: 1e5, noNaN: true });
    const fix = fc.record({ xM: metres, yM: metres, accuracy95M: fc.double({ min: 0.01, max: 1e5, noNaN: true }), source: fc.constantFrom("beacon", "wifi", "gps", "check-in") });
    const step = fc.tuple(fix, fc.integer({ min: 1, max: 60_000 }));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const first = (steps[0] as (typeof steps)[number])[0] as Partial<Fix>;
        const track = newTrack(fixAt(0, 0, first), 0, config);
        let nowMs = 0;
        for (const [given, stepMs] of steps) {
          nowMs += stepMs;
          advanceTrack(track, nowMs, config);
          updateTrack(track, fixAt(0, 0, given), nowMs, config);
          for (const value of [track.xM, track.yM, track.vxMps, track.vyMps, accuracy95MOf(track)]) expect(Number.isFinite(value)).toBe(true);
          expect(track.placeVarianceM2).toBeGreaterThan(0);
          expect(track.velocityVarianceM2ps2).toBeGreaterThan(0);
        }
      }),
    );
  });
});
