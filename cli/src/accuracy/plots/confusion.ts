import type { VenueMap } from "@konferenco/protocol";
import type { Measured } from "../score.ts";
import { heading } from "./curves.ts";
import { COLOURS, element, svg, text } from "./svg.ts";

const OUTSIDE = "no zone";
const UNKNOWN = "no fix";

/** Which zone was said for which: rows are true, columns said; on the diagonal it was right. Each row sums to 100 %. */
export function zoneConfusion(title: string, ours: Measured, venue: VenueMap): string {
  const counts = new Map<string, Map<string, number>>();
  for (const { trueZoneId, said } of ours.instants) {
    const row = trueZoneId ?? OUTSIDE;
    const column = said === null ? UNKNOWN : (said.zoneId ?? OUTSIDE);
    const cells = counts.get(row) ?? new Map<string, number>();
    cells.set(column, (cells.get(column) ?? 0) + 1);
    counts.set(row, cells);
  }
  const saidOnes = new Set([...counts.values()].flatMap((cells) => [...cells.keys()]));
  const order = [...venue.zones.map(({ zoneId }) => zoneId), OUTSIDE, UNKNOWN];
  const rows = order.filter((zoneId) => counts.has(zoneId));
  const columns = order.filter((zoneId) => saidOnes.has(zoneId) || rows.includes(zoneId));
  const nameOf = (zoneId: string) => clipped(venue.zones.find((zone) => zone.zoneId === zoneId)?.name ?? zoneId);
  const cell = columns.length > 16 ? 30 : 46;
  const nameWidth = 30 + 7 * Math.max(...order.map((zoneId) => nameOf(zoneId).length));
  const left = nameWidth + 30;
  const top = 78 + Math.round(nameWidth * 0.72);
  const parts: string[] = [];
  columns.forEach((zoneId, i) => parts.push(text(0, 0, nameOf(zoneId), { transform: `translate(${left + i * cell + cell / 2} ${top - 8}) rotate(-45)` })));
  rows.forEach((trueZoneId, i) => {
    const cells = counts.get(trueZoneId) as Map<string, number>;
    const total = [...cells.values()].reduce((sum, count) => sum + count, 0);
    const y = top + i * cell;
    parts.push(text(left - 10, y + cell / 2 + 4, nameOf(trueZoneId), { "text-anchor": "end" }));
    columns.forEach((saidZoneId, j) => {
      const share = (cells.get(saidZoneId) ?? 0) / total;
      const right = saidZoneId === trueZoneId;
      const x = left + j * cell;
      parts.push(element("rect", { x, y, width: cell, height: cell, fill: share === 0 ? COLOURS.paper : right ? COLOURS.ours : COLOURS.others[0], "fill-opacity": share === 0 ? 1 : 0.08 + 0.92 * share, stroke: right ? COLOURS.soft : COLOURS.grid }));
      if (share >= 0.005) parts.push(text(x + cell / 2, y + cell / 2 + 4, String(Math.round(100 * share)), { "text-anchor": "middle", fill: share > 0.55 ? COLOURS.paper : COLOURS.ink, "font-size": cell > 40 ? 12 : 10 }));
    });
    parts.push(text(left + columns.length * cell + 10, y + cell / 2 + 4, `${total.toLocaleString("en")} instants`, { fill: COLOURS.soft, "font-size": 11 }));
  });
  parts.push(text(0, 0, "truly in", { transform: `translate(20 ${top + (rows.length * cell) / 2}) rotate(-90)`, "text-anchor": "middle", fill: COLOURS.soft }));
  const width = Math.max(720, left + columns.length * cell + 120 + Math.round(nameWidth * 0.5));
  return svg(width, top + rows.length * cell + 30, [heading(title, "Zone said (columns) for the zone a tag was truly in (rows), percent of the row. Blue is right, orange is wrong."), ...parts], title);
}

function clipped(name: string): string {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
