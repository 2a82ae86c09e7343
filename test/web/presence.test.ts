import type { ClientEvent } from "@konferenco/client";
import { venueMapSchema } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";
import { namesByZone, newCountedElsewhere, notePresence, sweepPresences, type Presence, type Presences } from "../../web/src/console/presence.ts";

const ada = { who: "person", personId: "ada", name: "Ada" } as const;
const tag = { who: "tag", tagId: "tag-7" } as const;

function at(atMs: number, subj: typeof ada | typeof tag, zoneId: string | null, xM = 1): ClientEvent {
  return { t: "position", at: atMs, d: { subj, level: "precise", xM, yM: 2, floor: 0, zoneId, accuracy95M: 2, confidence: 0.9 } };
}

function zone(transition: "enter" | "exit", atMs: number, subj: typeof ada | typeof tag, zoneId: string): ClientEvent {
  return { t: `zone.${transition}`, at: atMs, d: { subj, zoneId, floor: 0 } };
}

const square = (zoneId: string, x0M: number, sizeM: number) => ({ zoneId, name: zoneId, kind: "hall", floor: 0, polygons: [[[x0M, 0], [x0M + sizeM, 0], [x0M + sizeM, sizeM], [x0M, sizeM]]] });

describe("who the operator sees where", () => {
  it("somebody who shows their zone only is counted in it and has no spot", () => {
    const presences: Presences = new Map();
    notePresence(presences, zone("enter", 1, ada, "lounge"), 1_000);
    expect(presences.get("ada")).toMatchObject({ zoneId: "lounge", spot: null, label: "Ada" });
    expect(namesByZone(presences)).toEqual(new Map([["lounge", ["Ada"]]]));
  });

  it("somebody with a spot is a dot and in no zone's badge", () => {
    const presences: Presences = new Map();
    notePresence(presences, zone("enter", 1, ada, "lounge"), 1_000);
    notePresence(presences, at(2, ada, "lounge"), 2_000);
    expect(presences.get("ada")?.spot).toMatchObject({ xM: 1 });
    expect(namesByZone(presences).size).toBe(0);
  });

  it("leaving a zone takes away who was seen in it only", () => {
    const presences: Presences = new Map();
    notePresence(presences, zone("enter", 1, ada, "lounge"), 1_000);
    notePresence(presences, zone("exit", 2, ada, "lounge"), 2_000);
    expect(presences.size).toBe(0);
  });

  it("an exit that comes after the next enter does not undo it", () => {
    const presences: Presences = new Map();
    notePresence(presences, zone("enter", 1, ada, "lounge"), 1_000);
    notePresence(presences, zone("enter", 2, ada, "hall"), 2_000);
    notePresence(presences, zone("exit", 2, ada, "lounge"), 2_000);
    expect(presences.get("ada")?.zoneId).toBe("hall");
  });

  it("a tag that leaves its zone while it is heard keeps its spot; one that fell silent loses it", () => {
    const presences: Presences = new Map();
    notePresence(presences, at(1, tag, "hall"), 1_000);
    notePresence(presences, zone("exit", 2, tag, "hall"), 2_000);
    expect(presences.get("tag-7")).toMatchObject({ kind: "thing", zoneId: null, spot: { xM: 1 } });
    notePresence(presences, at(3, tag, "hall"), 3_000);
    notePresence(presences, zone("exit", 33_000, tag, "hall"), 33_000);
    expect(presences.has("tag-7")).toBe(false);
  });

  it("a replay of old transitions does not move anybody back", () => {
    const presences: Presences = new Map();
    notePresence(presences, zone("enter", 100, ada, "hall"), 1_000);
    expect(notePresence(presences, zone("enter", 50, ada, "lounge"), 1_100)).toBe(false);
    notePresence(presences, zone("exit", 99, ada, "lounge"), 1_100);
    expect(presences.get("ada")?.zoneId).toBe("hall");
  });

  it("a spot that nobody confirms for two and a half minutes goes", () => {
    const presences: Presences = new Map();
    notePresence(presences, at(1, ada, "hall"), 1_000);
    expect(sweepPresences(presences, 60_000)).toBe(false);
    expect(sweepPresences(presences, 152_000)).toBe(true);
    expect(presences.size).toBe(0);
  });

  it("who is counted in a hall while their spot lies in one of its stands is told apart, as long as they are", () => {
    const isCountedElsewhere = newCountedElsewhere(venueMapSchema.parse({ venueId: "v", zones: [square("hall", 0, 10), square("stand", 0, 3), { zoneId: "undrawn", floor: 0, polygons: [] }], gateways: [] }));
    const presences: Presences = new Map();
    const seen = (zoneId: string | null, xM: number) => {
      notePresence(presences, at(1, ada, zoneId, xM), 1_000);
      return isCountedElsewhere(presences.get("ada") as Presence);
    };
    expect([seen("stand", 1), seen("hall", 5)]).toEqual([false, false]);
    expect([seen("hall", 1), seen("stand", 5), seen(null, 5), seen("stand", 50)]).toEqual([true, true, true, true]);
    // Outside of everything and counted nowhere is no contradiction, and a zone without polygons can be anywhere.
    expect([seen(null, 50), seen("undrawn", 5)]).toEqual([false, false]);
    notePresence(presences, at(2, ada, "hall", 1), 2_000);
    notePresence(presences, zone("enter", 3, ada, "stand"), 3_000);
    expect(isCountedElsewhere(presences.get("ada") as Presence)).toBe(false);
  });

  it("where nothing is drawn a position tells the zone, and no spot", () => {
    const presences: Presences = new Map();
    notePresence(presences, at(1, ada, "lounge"), 1_000, false);
    expect(presences.get("ada")).toMatchObject({ zoneId: "lounge", spot: null });
    expect(namesByZone(presences)).toEqual(new Map([["lounge", ["Ada"]]]));
  });
});
