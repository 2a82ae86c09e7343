import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cells, type Placed } from "../../../bridge/src/core/cells.ts";
import { LivePicture } from "../../../bridge/src/core/live-picture.ts";

interface One extends Placed {
  name: string;
}

const metre = fc.integer({ min: -60, max: 60 });

describe("cells of a floor", () => {
  it("know who is around a point as well as looking at everybody does, however they walk", () => {
    const step = fc.record({ who: fc.integer({ min: 0, max: 9 }), xM: metre, yM: metre, gone: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.tuple(metre, metre, fc.integer({ min: 1, max: 70 })), (steps, [xM, yM, radiusM]) => {
        const cells = new Cells<One>();
        const all = Array.from({ length: 10 }, (_, who): One => ({ name: `p${who}`, gridXM: 0, gridYM: 0, cell: null }));
        const there = new Set<One>();
        for (const { who, xM: toXM, yM: toYM, gone } of steps) {
          const one = all[who] as One;
          there.delete(one);
          if (gone) {
            cells.remove(one);
            continue;
          }
          Object.assign(one, { gridXM: toXM, gridYM: toYM });
          cells.place(one);
          there.add(one);
        }
        const expected = [...there].filter(({ gridXM, gridYM }) => Math.hypot(gridXM - xM, gridYM - yM) <= radiusM).map(({ name }) => name);
        expect(cells.around(xM, yM, radiusM, Infinity).map(({ name }) => name).sort()).toEqual(expected.sort());
      }),
    );
  });

  it("in a crowd give the nearest rings that hold enough, each whole", () => {
    const cells = new Cells<One>();
    for (let index = 0; index < 400; index++) cells.place({ name: String(index), gridXM: (index % 20) * 5 + 1, gridYM: Math.floor(index / 20) * 5 + 1, cell: null });
    // One in each cell of 5 m: 1, 9, 25 … in 0, 1, 2 … rings.
    for (const [enough, found] of [[1, 1], [2, 9], [9, 9], [10, 25]] as const) expect(cells.around(51, 51, 50, enough)).toHaveLength(found);
  });
});

describe("the live picture", () => {
  const position = (tagId: string, xM: number, floor = 0) => ({ tagId, atMs: 1, xM, yM: 0, floor, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon", zoneId: null }) as const;
  const around = (picture: LivePicture, xM: number, floor = 0) => picture.around({ xM, yM: 0, floor }, 5, Infinity).map(({ tagId }) => tagId);

  it("knows who is around on each floor, and not who was", () => {
    const picture = new LivePicture();
    picture.setPosition(position("anna", 3), 0);
    picture.setPosition(position("ben", 30), 0);
    expect([around(picture, 0), around(picture, 30), around(picture, 0, 1)]).toEqual([["anna"], ["ben"], []]);
    picture.setPosition(position("anna", 31, 1), 0);
    expect([around(picture, 0), around(picture, 30), around(picture, 30, 1)]).toEqual([[], ["ben"], ["anna"]]);
    picture.drop("ben");
    expect(around(picture, 30)).toEqual([]);
    picture.clear();
    expect(around(picture, 30, 1)).toEqual([]);
  });

  it("moves who enters a zone upstairs upstairs, before the next position says so", () => {
    const picture = new LivePicture();
    picture.setPosition(position("anna", 3), 0);
    picture.apply({ updateId: { epoch: "e", offset: 1 }, storedAtMs: 0, body: { kind: "zone", zone: { transition: "enter", tagId: "anna", zoneId: "hall", floor: 1, atMs: 2, confidence: 1 } } }, 0);
    expect([around(picture, 0), around(picture, 0, 1)]).toEqual([[], ["anna"]]);
  });
});
