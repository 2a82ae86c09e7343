import { describe, expect, it } from "vitest";
import { addSighting, newBatch, takeAll, takeDue } from "../../gateway-agent/src/batch.ts";

const heard = (tagId: string, heardAtMs: number) => ({ tagId, rssiDbm: -60, heardAtMs });

describe("a batch of sightings", () => {
  it("is due one window after its first sighting, not after its last", () => {
    const batch = newBatch({ windowMs: 500, maxRows: 10 });
    expect(takeDue(batch, 1_000_000)).toBeNull();
    addSighting(batch, heard("a", 1_000), 1_000);
    addSighting(batch, heard("b", 1_400), 1_400);
    expect(takeDue(batch, 1_499)).toBeNull();
    expect(takeDue(batch, 1_500)).toEqual({ tagId: ["a", "b"], rssiDbm: [-60, -60], heardAtMs: [1_000, 1_400] });
    expect(takeDue(batch, 5_000)).toBeNull();
  });

  it("goes at once when it is full and never holds more than its bound", () => {
    const batch = newBatch({ windowMs: 500, maxRows: 3 });
    let reported = 0;
    for (let i = 0; i < 100; i++) {
      reported += addSighting(batch, heard(`t${i}`, i), i)?.tagId.length ?? 0;
      expect(batch.columns.tagId.length).toBeLessThan(3);
    }
    expect(reported).toBe(99);
    expect(takeAll(batch)?.tagId).toEqual(["t99"]);
    expect(takeAll(batch)).toBeNull();
  });

  it("a new window begins with the first sighting after a full batch", () => {
    const batch = newBatch({ windowMs: 500, maxRows: 2 });
    addSighting(batch, heard("a", 0), 0);
    addSighting(batch, heard("b", 100), 100);
    addSighting(batch, heard("c", 300), 300);
    expect(takeDue(batch, 799)).toBeNull();
    expect(takeDue(batch, 800)?.tagId).toEqual(["c"]);
  });
});
