import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { LEVELS, applyPrivacyChange, defaultPrivacySettings, type Level, type Person, type Role, type Update } from "@konferenco/protocol";
import { compilePolicy, mayHearOfNear, type SubjectPolicy, type Viewer } from "../../../bridge/src/core/privacy-policy.ts";
import { bandOf, projectUpdate, showActivity, showSerendipity, whereaboutsOf } from "../../../bridge/src/core/privacy.ts";

// The table of docs/privacy.md, read from the page, against the policy.

const page = fs.readFileSync(path.resolve(import.meta.dirname, "../../../docs/privacy.md"), "utf8");
const rows = page
  .split("\n")
  .slice(page.split("\n").findIndex((line) => line.startsWith("| update | self |")))
  .filter((line, index, lines) => line.startsWith("|") && lines.slice(0, index).every((earlier) => earlier.startsWith("|")))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
const [header, , ...body] = rows as [string[], string[], ...string[][]];
const columns = header.slice(1);

const allLevels = (level: Level) => ({ connections: level, attendees: level, exhibitors: level, speakers: level, staff: level });

function policy(personId: string, { role = "attendee", level = "precise", connections = [], consent = true }: { role?: Role; level?: Level; connections?: string[]; consent?: boolean } = {}): SubjectPolicy {
  const person: Person = {
    profile: { personId, name: `Name ${personId}`, role, company: "", interests: [], lookingFor: "", connections },
    tagId: `tag-of-${personId}`,
    consent: { given: consent, atMs: 0, version: "1" },
    settings: applyPrivacyChange(defaultPrivacySettings(), { level, audiences: allLevels(level), proximityAlerts: true }),
  };
  return compilePolicy(person);
}

const viewerOf = (self: SubjectPolicy): Viewer => ({ role: "attendee", personId: self.personId, self });
const LOOKS: Record<string, (level: Level, consent: boolean) => { anna: SubjectPolicy; viewer: Viewer }> = {
  self: (level, consent) => {
    const anna = policy("anna", { level, consent });
    return { anna, viewer: viewerOf(anna) };
  },
  connections: (level, consent) => ({ anna: policy("anna", { level, consent, connections: ["ben"] }), viewer: viewerOf(policy("ben", { connections: ["anna"] })) }),
  attendees: (level, consent) => ({ anna: policy("anna", { level, consent }), viewer: viewerOf(policy("ben")) }),
  exhibitors: (level, consent) => ({ anna: policy("anna", { level, consent }), viewer: viewerOf(policy("ben", { role: "exhibitor" })) }),
  speakers: (level, consent) => ({ anna: policy("anna", { level, consent }), viewer: viewerOf(policy("ben", { role: "speaker" })) }),
  staff: (level, consent) => ({ anna: policy("anna", { level, consent }), viewer: { role: "staff", personId: null, self: null } }),
  screen: (level, consent) => ({ anna: policy("anna", { level, consent }), viewer: { role: "display", personId: null, self: null } }),
};

const update = (body: Update["body"]): Update => ({ updateId: { epoch: "e", offset: 1 }, storedAtMs: 0, body });
const place = { xM: 3.3, yM: 4.4, floor: 0, zoneId: "room-a" };
const position = { tagId: "tag-of-anna", atMs: 0, ...place, vxMps: 0, vyMps: 0, accuracy95M: 0.4, confidence: 0.87, source: "beacon" as const };

/** What the viewer gets, in the table's words; `-`: nothing. */
const SHOWN: Record<string, (anna: SubjectPolicy, viewer: Viewer) => string> = {
  position(anna, viewer) {
    const shown = projectUpdate(update({ kind: "position", position }), null, () => anna).forViewer(viewer);
    if (shown === null) return "-";
    const { d } = JSON.parse(shown.json) as { d: { xM: number } };
    return d.xM === place.xM ? "exact" : d.xM === 3 ? "grid" : "something else";
  },
  "zone change"(anna, viewer) {
    const shown = projectUpdate(update({ kind: "zone", zone: { transition: "enter", tagId: "tag-of-anna", zoneId: "room-a", floor: 0, atMs: 0, confidence: 1 } }), "ref", () => anna).forViewer(viewer);
    return shown === null ? "-" : /xM|yM/.test(shown.json) ? "something else" : "zone";
  },
  "where one person is, asked by name"(anna, viewer) {
    const where = whereaboutsOf(anna, place, viewer);
    return where === null ? "-" : where.level === "precise" && where.xM === 3 ? "grid" : where.level;
  },
  activity(anna, viewer) {
    const doing = { exact: { kind: "at_booth", exhibitorId: "acme" }, ofZone: { kind: "in_session", sessionId: "keynote" } } as const;
    const shown = showActivity("tag-of-anna", anna, viewer, doing, 0);
    if (shown === null) return "-";
    const { d } = JSON.parse(shown.json) as { d: { activity: { kind: string } | null } };
    return d.activity === null ? "nothing" : d.activity.kind === "at_booth" ? "doing" : "zone";
  },
  "people nearby": (anna, viewer) => (viewer.personId === "anna" || bandOf(anna, place, viewer, place) === null ? "-" : "band"),
  "near, apart (metres)"(anna, viewer) {
    if (viewer.self === null || viewer.personId === "anna") return "-";
    return mayHearOfNear(viewer.self, anna) ? "name" : "-";
  },
  "encounter (same zone)"(anna, viewer) {
    if (viewer.self === null || viewer.personId === "anna") return "-";
    return showSerendipity(viewer.self, anna, { topic: null, text: "", compatibility: 1, reasons: [] }, 0) === null ? "-" : "name";
  },
  alert: (anna, viewer) => (projectUpdate(update({ kind: "alert", alert: { alertId: "a", severity: "info", title: "t", text: "t", zoneIds: [], atMs: 0 } }), "ref", () => anna).forViewer(viewer) === null ? "-" : "alert"),
  "gateway health": (anna, viewer) => (projectUpdate(update({ kind: "gateway", gateway: { gatewayId: "g", state: "online", atMs: 0, lastReportAtMs: null, observationsPerS: 0, clockOffsetMs: null } }), null, () => anna).forViewer(viewer) === null ? "-" : "health"),
};

/** What the cell promises at a level. */
function promised(cell: string, level: Level, update: string): string {
  if (cell === "-") return "-";
  const [, least, form] = /^(always|from \w+): (\w+)$/.exec(cell) as unknown as [string, string, string];
  if (least !== "always" && LEVELS.indexOf(level) < LEVELS.indexOf(least.slice(5) as Level)) return "-";
  if (form === "activity") return level === "precise" ? "doing" : "zone";
  return form === "level" ? (level === "precise" ? "grid" : level) : update === "" ? "" : form;
}

describe("the table of docs/privacy.md", () => {
  it("is there, with a row for every kind of update and a column for every audience", () => {
    expect(body.map(([update]) => update)).toEqual(Object.keys(SHOWN));
    expect(columns).toEqual(Object.keys(LOOKS));
  });

  it.each(body.flatMap(([update = "", ...cells]) => cells.flatMap((cell, index) => LEVELS.map((level) => ({ update, audience: columns[index] as string, level, cell })))))("$update to $audience at level $level: $cell", ({ update, audience, level, cell }) => {
    const { anna, viewer } = (LOOKS[audience] as (typeof LOOKS)[string])(level, true);
    expect((SHOWN[update] as (typeof SHOWN)[string])(anna, viewer)).toBe(promised(cell, level, update));
    // Without consent nothing about the person, oneself included.
    const silent = (LOOKS[audience] as (typeof LOOKS)[string])(level, false);
    if (update !== "alert" && update !== "gateway health") expect((SHOWN[update] as (typeof SHOWN)[string])(silent.anna, silent.viewer)).toBe("-");
  });
});
