/**
 * As much of SVG as plots need, written as text: no dependency, the same bytes for the same figures.
 * Light background, one font, units on every axis.
 */
export const COLOURS = {
  paper: "#ffffff",
  ink: "#1c2430",
  soft: "#5b6675",
  grid: "#e3e7ec",
  ours: "#0b6bcb",
  /** Of the other methods, in order: told apart by colour and by dash. */
  others: ["#c2410c", "#7a7f87", "#15803d", "#9333ea", "#be185d", "#b58900"],
} as const;
export const DASHES = ["", "7 4", "2 3", "9 3 2 3", "4 2"] as const;

const FONT = "system-ui, 'DejaVu Sans', 'Noto Sans', sans-serif";

export type Attributes = Record<string, string | number | undefined>;

export function element(name: string, attributes: Attributes, content = ""): string {
  const written = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [` ${key}="${escape(typeof value === "number" ? short(value) : value)}"`]));
  return content === "" ? `<${name}${written.join("")}/>` : `<${name}${written.join("")}>${content}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element("text", { x, y, fill: COLOURS.ink, "font-size": 12, ...attributes }, escape(content));
}

export function svg(width: number, height: number, parts: readonly string[], title: string): string {
  const head = element("title", {}, escape(title)) + element("rect", { width, height, fill: COLOURS.paper });
  return `${element("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT, role: "img" }, [head, ...parts].join("\n"))}\n`;
}

export function path(points: readonly (readonly [number, number])[], attributes: Attributes): string {
  if (points.length === 0) return "";
  return element("path", { d: points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${short(x)} ${short(y)}`).join(""), fill: "none", "stroke-linejoin": "round", ...attributes });
}

export function escape(value: string): string {
  return value.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** A tenth of a pixel is finer than anybody sees. */
export function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export interface Frame {
  x: (value: number) => number;
  y: (value: number) => number;
  parts: string[];
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Axis {
  max: number;
  step: number;
  label: string;
  format?: (value: number) => string;
}

/** Axes from 0, a grid, labels with units. */
export function frame(box: { left: number; top: number; width: number; height: number }, xAxis: Axis, yAxis: Axis): Frame {
  const { left, top, width, height } = box;
  const x = (value: number) => left + (value / xAxis.max) * width;
  const y = (value: number) => top + height - (value / yAxis.max) * height;
  const parts: string[] = [];
  for (const value of ticks(xAxis)) {
    parts.push(element("line", { x1: x(value), y1: top, x2: x(value), y2: top + height, stroke: COLOURS.grid }));
    parts.push(text(x(value), top + height + 18, (xAxis.format ?? String)(value), { "text-anchor": "middle", fill: COLOURS.soft }));
  }
  for (const value of ticks(yAxis)) {
    parts.push(element("line", { x1: left, y1: y(value), x2: left + width, y2: y(value), stroke: COLOURS.grid }));
    parts.push(text(left - 8, y(value) + 4, (yAxis.format ?? String)(value), { "text-anchor": "end", fill: COLOURS.soft }));
  }
  parts.push(path([[left, top], [left, top + height], [left + width, top + height]], { stroke: COLOURS.soft }));
  parts.push(text(left + width / 2, top + height + 40, xAxis.label, { "text-anchor": "middle" }));
  parts.push(text(0, 0, yAxis.label, { "text-anchor": "middle", transform: `translate(${short(left - 46)} ${short(top + height / 2)}) rotate(-90)` }));
  return { x, y, parts, left, top, width, height };
}

function ticks({ max, step }: Axis): number[] {
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => Math.round(i * step * 1_000) / 1_000);
}

export interface LegendEntry {
  label: string;
  colour: string;
  dash?: string;
  width?: number;
}

export function legend(x: number, y: number, entries: readonly LegendEntry[]): string {
  return entries
    .map(({ label, colour, dash, width = 2 }, i) => element("line", { x1: x, y1: y + i * 20, x2: x + 26, y2: y + i * 20, stroke: colour, "stroke-width": width, "stroke-dasharray": dash === "" ? undefined : dash }) + text(x + 34, y + 4 + i * 20, label))
    .join("\n");
}

export const inPercent = (share: number): string => `${Math.round(100 * share)} %`;
