import fs from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { konferenco, temporaryFolder } from "../support/konferenco.ts";

const docs = path.resolve(import.meta.dirname, "../../docs");
const operations = fs.readFileSync(path.join(docs, "operations.md"), "utf8");
const dashboard = JSON.parse(fs.readFileSync(path.join(docs, "grafana-dashboard.json"), "utf8")) as { title: string; panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number }; targets?: { expr: string }[] }[] };

const LABELS = new Set(["transport", "role", "client", "version", "code", "why", "lane", "slug", "route", "status", "quantile", "result", "of", "stage", "le", "what", "state", "gateway", "basis"]);

/** Names that a query looks up: what is left of PromQL without strings, label lists, functions and words of its own. */
function metricsOf(query: string): string[] {
  const bare = query.replaceAll(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, " ").replaceAll(/\b(by|without)\s*\([^)]*\)/g, " ");
  return [...bare.matchAll(/[a-z_][\w:]*(?!\w*\s*\()/gi)].map(([name]) => name).filter((name) => !/^(sum|max|min|rate|increase|histogram_quantile|by|or|and|on)$/.test(name));
}

it("every metric that the dashboard draws and the handbook names is one that the running system exports, and the handbook names all of ours", async () => {
  const run = konferenco(["up", "--port", "0", "--mqtt-port", "0", "--mqtt-ws-port", "0", "--tags", "8", "--data", temporaryFolder("metrics")]);
  const { url } = await run.line<{ url: string }>((line) => line["event"] === "ready");
  // Somebody is there, and something has been delivered.
  await run.line((line) => line["event"] === "figures" && Number(line["deliveries"]) > 0);
  const text = await (await fetch(`${url}/metrics`)).text();
  const kinds = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]));
  const exported = new Set([...kinds].flatMap(([name, kind]) => (kind === "histogram" ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])));

  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(queries.length).toBeGreaterThan(30);
  expect(queries.flatMap(metricsOf).filter((name) => !exported.has(name))).toEqual([]);
  const named = [...operations.matchAll(/`((?:bridge|fusion|broker|gateway|calibration|process|nodejs)_\w+)/g)].map(([, name = ""]) => name);
  expect(named.filter((name) => !exported.has(name))).toEqual([]);
  const ours = [...kinds.keys()].filter((name) => /^(bridge|fusion|broker|gateway|calibration)_/.test(name));
  expect(ours.filter((name) => !named.includes(name))).toEqual([]);
  // A label is a word of ours, or a gateway: never a person, a tag or a zone.
  const labels = [...text.matchAll(/^(?:bridge|fusion|broker|gateway|calibration)_\w+\{([^}]*)\}/gm)].flatMap(([, pairs = ""]) => [...pairs.matchAll(/(\w+)="/g)].map(([, name = ""]) => name));
  expect([...new Set(labels)].filter((name) => !LABELS.has(name))).toEqual([]);
  expect(text).toMatch(/^fusion_timeline_total\{what="unplaced"\} \d+$/m);
  expect(text).toMatch(/^fusion_tag_names_refused_total \d+$/m);
  // What moves in a running system has moved here.
  for (const name of ["bridge_connections", "bridge_deliveries_total", "bridge_hello_seconds", "bridge_tick_seconds_count", "fusion_observations_total", "broker_messages_total"]) {
    expect(text, name).toMatch(new RegExp(`^${name}(\\{[^}]*\\})? [1-9]|^${name}(\\{[^}]*\\})? 0\\.\\d*[1-9]`, "m"));
  }
  expect(await run.stop()).toBe(0);
}, 60_000);

it("the dashboard's panels have a place of their own", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const one of panels) {
    for (const other of panels) {
      const [a, b] = [one.gridPos, other.gridPos];
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      if (one.id < other.id) expect(apart, `${one.title} and ${other.title}`).toBe(true);
    }
    expect(one.gridPos.x + one.gridPos.w).toBeLessThanOrEqual(24);
  }
});
