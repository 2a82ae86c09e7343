import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

// Contrast by WCAG 2.2 (1.4.3 text 4.5, 1.4.11 marks 3), computed from the style sheet itself, for both schemes.

const css = fs.readFileSync(path.resolve(import.meta.dirname, "../../web/src/common/base.css"), "utf8");
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, body]) => new Map([...(body as string).matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map(([, name, colour]) => [name as string, colour as string])));

const TEXT: [string, string][] = [
  ...["ground", "surface", "raised"].flatMap((ground): [string, string][] => [["text", ground], ["muted", ground], ["accent", ground]]),
  ["ok", "surface"], ["warn", "surface"], ["bad", "surface"],
  ["ok", "ok-soft"], ["warn", "warn-soft"], ["bad", "bad-soft"], ["accent", "accent-soft"],
  ["text", "accent-soft"], ["text", "warn-soft"], ["text", "bad-soft"], ["muted", "accent-soft"], ["muted", "bad-soft"], ["muted", "warn-soft"],
  ["on-accent", "accent"], ["surface", "bad"],
];
const ZONES = ["room", "hall", "corridor", "lounge", "booth", "food", "registration", "outdoor", "other"].map((kind) => `zone-${kind}`);
const MARKS: [string, string][] = ZONES.flatMap((zone): [string, string][] => [["map-person", zone], ["map-thing", zone], ["ok", zone], ["warn", zone], ["bad", zone]]);
const LABELS: [string, string][] = ZONES.flatMap((zone): [string, string][] => [["map-text", zone], ["map-muted", zone]]);

describe.each([
  ["light", light],
  ["dark", dark],
])("in the %s scheme", (_name, colours) => {
  it.each([...TEXT, ...LABELS])("%s can be read on %s", (ink, ground) => {
    expect(contrast(colours, ink, ground)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(MARKS)("%s can be told from %s", (ink, ground) => {
    expect(contrast(colours, ink, ground)).toBeGreaterThanOrEqual(3);
  });
});

function contrast(colours: Map<string, string> | undefined, a: string, b: string): number {
  const [high, low] = [luminance(colours?.get(a)), luminance(colours?.get(b))].toSorted((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: string | undefined): number {
  if (colour === undefined) throw new Error("base.css has no such colour");
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
