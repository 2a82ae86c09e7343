import type { ClientEvent } from "@konferenco/client";
import { describe, expect, it } from "vitest";
import { forgetPerson, newMyState, noteMyEvent, type MyState } from "../../web/src/attendee/my-place.ts";

const me = { who: "me" } as const;
const grace = { who: "person", personId: "grace", name: "Grace" } as const;

function after(...events: ClientEvent[]): MyState {
  return events.reduce((state, event) => noteMyEvent(state, event, 1_000), newMyState());
}

function enter(zoneId: string, at: number): ClientEvent {
  return { t: "zone.enter", at, d: { subj: me, zoneId, floor: 0 } };
}

function position(zoneId: string | null, at: number): ClientEvent {
  return { t: "position", at, d: { subj: me, level: "precise", xM: 3, yM: 4, floor: 0, zoneId, accuracy95M: 2, confidence: 0.8 } };
}

function alert(alertId: string, atMs: number): ClientEvent {
  return { t: "alert", at: atMs, d: { alertId, severity: "info", title: alertId, text: "t", zoneIds: [], atMs } };
}

describe("what an attendee sees of the day", () => {
  it("the zone entered last is mine, since when I entered it", () => {
    expect(after(enter("hall", 10), position("hall", 11)).place).toMatchObject({ zoneId: "hall", sinceMs: 10, spot: { xM: 3, yM: 4 } });
  });

  it("a position in another zone than the last entered one does not keep its since", () => {
    expect(after(enter("hall", 10), position("food", 11)).place).toMatchObject({ zoneId: "food", sinceMs: null });
  });

  it("leaving the zone that I am in leaves me in none", () => {
    expect(after(enter("hall", 10), { t: "zone.exit", at: 20, d: { subj: me, zoneId: "hall", floor: 0 } }).place).toMatchObject({ zoneId: null });
  });

  it("a replay of where I was this morning does not move me", () => {
    expect(after(enter("hall", 100), enter("registration", 5)).place).toMatchObject({ zoneId: "hall" });
  });

  it("somebody near is told once, and goes when we part", () => {
    const near: ClientEvent = { t: "near", at: 5, d: { subj: grace } };
    expect(after(near, near).near).toEqual([{ personId: "grace", name: "Grace", atMs: 5 }]);
    expect(after(near, { t: "apart", at: 9, d: { subj: grace } }).near).toEqual([]);
  });

  it("alerts stand once each, newest first, however they arrive", () => {
    expect(after(alert("b", 20), alert("a", 10), alert("b", 20)).alerts.map((item) => item.alertId)).toEqual(["b", "a"]);
  });

  it("a person to forget leaves every list; my own withdrawal takes my place away", () => {
    const state = after(enter("hall", 1), { t: "near", at: 5, d: { subj: grace } }, { t: "nearby", at: 6, d: { people: [{ personId: "grace", name: "Grace", company: "", sharedInterests: [], within: "10m" }] } });
    const without = forgetPerson(state, "grace", "ada");
    expect([without.near, without.nearby, without.place?.zoneId]).toEqual([[], [], "hall"]);
    expect(forgetPerson(state, "ada", "ada").place).toBeNull();
  });
});
