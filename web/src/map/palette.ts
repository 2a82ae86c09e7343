/** The map's colours, read from the style sheet: both schemes are written once, in base.css. */
export interface Palette {
  ground: string;
  wall: string;
  text: string;
  muted: string;
  halo: string;
  person: string;
  thing: string;
  me: string;
  ring: string;
  accuracy: string;
  select: string;
  ok: string;
  warn: string;
  bad: string;
  surface: string;
  line: string;
  zone: (kind: string) => string;
}

export const KNOWN_KINDS = ["room", "hall", "corridor", "lounge", "booth", "food", "registration", "outdoor"];

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  const zones = new Map([...KNOWN_KINDS, "other"].map((kind) => [kind, read(`--zone-${kind}`)]));
  return {
    ground: read("--map-ground"),
    wall: read("--map-wall"),
    text: read("--map-text"),
    muted: read("--map-muted"),
    halo: read("--map-halo"),
    person: read("--map-person"),
    thing: read("--map-thing"),
    me: read("--map-me"),
    ring: read("--map-ring"),
    accuracy: read("--map-accuracy"),
    select: read("--map-select"),
    ok: read("--ok"),
    warn: read("--warn"),
    bad: read("--bad"),
    surface: read("--surface"),
    line: read("--line-strong"),
    zone: (kind) => zones.get(kind) ?? (zones.get("other") as string),
  };
}
