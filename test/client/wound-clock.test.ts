import { expect, it } from "vitest";
import { WoundClock } from "../../client/src/wound-clock.ts";
import { FakeClock } from "./support/fake-world.ts";

/** As browsers do with hidden pages: timers fire once a minute. */
class SlowedClock extends FakeClock {
  override setTimer(run: () => void, afterMs: number): unknown {
    return super.setTimer(run, Math.ceil(afterMs / 60_000) * 60_000);
  }
}

it("what is due runs when the clock is wound, in its order, and not again when the slow timer comes", async () => {
  const slowed = new SlowedClock();
  const clock = new WoundClock(slowed);
  const ran: string[] = [];
  clock.setTimer(() => ran.push("second"), 1_300);
  clock.setTimer(() => ran.push("first"), 1_200);
  clock.setTimer(() => ran.push("later"), 5_000);
  await slowed.advance(2_000);
  expect(ran).toEqual([]);
  clock.wind();
  expect(ran).toEqual(["first", "second"]);
  await slowed.advance(120_000);
  expect(ran).toEqual(["first", "second", "later"]);
});

it("a timer that an earlier one has cleared does not run, and one that it sets waits for its time", async () => {
  const slowed = new SlowedClock();
  const clock = new WoundClock(slowed);
  const ran: string[] = [];
  clock.setTimer(() => {
    clock.clearTimer(cleared);
    clock.setTimer(() => ran.push("next"), 1_000);
  }, 100);
  const cleared = clock.setTimer(() => ran.push("cleared"), 200);
  await slowed.advance(500);
  clock.wind();
  expect(ran).toEqual([]);
  await slowed.advance(1_000);
  clock.wind();
  expect(ran).toEqual(["next"]);
});
