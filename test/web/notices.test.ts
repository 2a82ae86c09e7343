import type { DeliveredEvent } from "@konferenco/client";
import { expect, it } from "vitest";
import { noticeOf } from "../../web/src/attendee/notices.ts";

const alert = (severity: "info" | "warning" | "emergency", from: DeliveredEvent["from"] = "live"): DeliveredEvent => ({
  t: "alert", at: 1_000, s: 1, from, d: { alertId: "a-1", severity, title: "Leave by the east exits", text: "Walk.", zoneIds: [], atMs: 1_000 },
});
const near = (at: number): DeliveredEvent => ({ t: "near", at, s: 1, from: "live", d: { subj: { who: "person", personId: "ben", name: "Ben" } } });
const all = { alerts: true, near: true };

it("an alert is told with its urgency, once by its id, and an urgent one stays", () => {
  expect(noticeOf(alert("info"), all, 1_000)).toEqual({ title: "Leave by the east exits", body: "Walk.", tag: "alert a-1", stays: false });
  expect(noticeOf(alert("emergency"), all, 1_000)).toMatchObject({ title: "Emergency: Leave by the east exits", tag: "alert a-1", stays: true });
});

it("what was missed while away is told, how things stand is not", () => {
  expect(noticeOf(alert("info", "replay"), all, 90_000)).not.toBeNull();
  expect(noticeOf(alert("info", "snapshot"), all, 1_000)).toBeNull();
});

it("somebody who came near long ago is no news", () => {
  expect(noticeOf(near(1_000), all, 30_000)).toMatchObject({ title: "Ben is near you", tag: "near ben" });
  expect(noticeOf(near(1_000), all, 62_000)).toBeNull();
});

it("a kind that is turned off is not told", () => {
  expect(noticeOf(alert("emergency"), { alerts: false, near: true }, 1_000)).toBeNull();
  expect(noticeOf(near(1_000), { alerts: true, near: false }, 1_000)).toBeNull();
});
