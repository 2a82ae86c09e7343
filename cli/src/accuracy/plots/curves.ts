import { REFERENCE_METHODS, type ReferenceMethod } from "../references.ts";
import type { Method, MeasuredMethods } from "../run-accuracy.ts";
import { spread, type Measured, type Spread } from "../score.ts";
import { COLOURS, DASHES, element, frame, inPercent, legend, path, svg, text, type LegendEntry } from "./svg.ts";

const METHODS: readonly Method[] = ["ours", ...(Object.keys(REFERENCE_METHODS) as ReferenceMethod[])];

/** How often each method errs by less than so much: the farther left, the better. */
export function errorCdf(title: string, measured: readonly MeasuredMethods[]): string {
  const series = METHODS.flatMap((method, i) => {
    const errors = measured.flatMap((one) => one[method]?.instants ?? []).flatMap(({ said }) => (said === null ? [] : [said.errorM]));
    if (errors.length === 0) return [];
    errors.sort((a, b) => a - b);
    const { mean, p95 } = spread(errors) as Spread;
    const name = method === "ours" ? "konferenco" : REFERENCE_METHODS[method].title;
    return [{ method, errors, p95, label: `${name}: mean ${mean.toFixed(2)} m, p95 ${p95.toFixed(2)} m`, colour: method === "ours" ? COLOURS.ours : (COLOURS.others[i - 1] as string), dash: method === "ours" ? "" : (DASHES[i % DASHES.length] as string), width: method === "ours" ? 3 : 1.8 }];
  });
  // To the slowest p95, so that the tails do not squeeze what matters.
  const reachM = Math.max(2, ...series.map(({ p95 }) => p95));
  const stepM = reachM > 12 ? 2 : reachM > 5 ? 1 : 0.5;
  const maxM = Math.ceil((reachM * 1.05) / stepM) * stepM;
  const plot = frame({ left: 70, top: 68, width: 560, height: 330 }, { max: maxM, step: stepM, label: "position error, metres" }, { max: 1, step: 0.1, label: "share of instants", format: inPercent });
  // Ours is drawn last, on top.
  const curves = series.toReversed().map(({ errors, colour, dash, width }) => {
    const points: [number, number][] = [[plot.x(0), plot.y(0)]];
    for (let i = 0; i <= 240; i++) {
      const limitM = (i / 240) * maxM;
      points.push([plot.x(limitM), plot.y(countBelow(errors, limitM) / errors.length)]);
    }
    return path(points, { stroke: colour, "stroke-width": width, "stroke-dasharray": dash === "" ? undefined : dash });
  });
  const entries: LegendEntry[] = series;
  return svg(660, 470 + entries.length * 20, [heading(title, "Position error: share of instants below so many metres. Left is better."), ...plot.parts, ...curves, legend(90, 464, entries)], title);
}

function countBelow(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Are confidence and accuracy95M true? Two panels: right zones against what was stated, and truth inside against the radius. */
export function reliability(title: string, ours: readonly Measured[]): string {
  const instants = ours.flatMap((one) => one.instants);
  const said = instants.flatMap(({ said: one, trueZoneId }) => (one === null ? [] : [{ ...one, right: one.zoneId === trueZoneId }]));
  const size = { width: 300, height: 300 };
  const left = frame({ left: 70, top: 78, ...size }, { max: 1, step: 0.2, label: "stated confidence of the zone", format: inPercent }, { max: 1, step: 0.2, label: "zone was right", format: inPercent });
  const bins = Array.from({ length: 10 }, (_, tenth) => said.filter(({ confidence }) => Math.min(9, Math.floor(confidence * 10)) === tenth)).filter((bin) => bin.length > 0);
  const points = bins.map((bin) => ({
    x: bin.reduce((sum, { confidence }) => sum + confidence, 0) / bin.length,
    y: bin.filter(({ right }) => right).length / bin.length,
    share: bin.length / said.length,
  }));
  const dots = points.map(({ x, y, share }) => element("circle", { cx: left.x(x), cy: left.y(y), r: 3 + 16 * Math.sqrt(share), fill: COLOURS.ours, "fill-opacity": 0.35, stroke: COLOURS.ours }));
  const maxScale = 2;
  const right = frame({ left: 470, top: 78, ...size }, { max: maxScale, step: 0.5, label: "radius, as a multiple of accuracy95M", format: (value) => `${value} ×` }, { max: 1, step: 0.2, label: "truth within the radius", format: inPercent });
  const ratios = said.map(({ errorM, accuracy95M }) => errorM / Math.max(accuracy95M, 1e-6)).sort((a, b) => a - b);
  const scales = Array.from({ length: 121 }, (_, i) => (i / 120) * maxScale);
  const inside = scales.map((scale): [number, number] => [right.x(scale), right.y(ratios.length === 0 ? 0 : countBelow(ratios, scale) / ratios.length)]);
  // A circular Gaussian whose 95 % radius is 1.
  const promised = scales.map((scale): [number, number] => [right.x(scale), right.y(1 - 0.05 ** (scale * scale))]);
  const insideShare = ratios.length === 0 ? 0 : countBelow(ratios, 1) / ratios.length;
  return svg(
    800,
    492,
    [
      heading(title, `${said.length.toLocaleString("en")} instants. On the dashed lines the system states exactly what is true; below them it boasts, above them it is timid.`),
      ...left.parts,
      path([[left.x(0), left.y(0)], [left.x(1), left.y(1)]], { stroke: COLOURS.soft, "stroke-dasharray": "5 4" }),
      path(points.map(({ x, y }) => [left.x(x), left.y(y)] as const), { stroke: COLOURS.ours, "stroke-width": 1.5, "stroke-opacity": 0.6 }),
      ...dots,
      ...right.parts,
      path(promised, { stroke: COLOURS.soft, "stroke-dasharray": "5 4" }),
      path(inside, { stroke: COLOURS.ours, "stroke-width": 2.5 }),
      element("line", { x1: right.x(1), y1: right.y(0), x2: right.x(1), y2: right.y(insideShare), stroke: COLOURS.ours, "stroke-dasharray": "2 3" }),
      element("circle", { cx: right.x(1), cy: right.y(insideShare), r: 4.5, fill: COLOURS.ours }),
      text(right.x(1) + 10, right.y(insideShare) + 22, `${(100 * insideShare).toFixed(1)} % inside`, { fill: COLOURS.ours, "font-weight": 600 }),
      text(right.x(1) + 10, right.y(insideShare) + 38, "promised: 95 %", { fill: COLOURS.soft }),
      text(70, 462, "Size of a dot: how many instants stated this confidence.", { fill: COLOURS.soft }),
      legend(474, 458, [{ label: "measured", colour: COLOURS.ours, width: 2.5 }, { label: "promised (circular Gaussian)", colour: COLOURS.soft, dash: "5 4" }]),
    ],
    title,
  );
}

export function heading(title: string, below: string): string {
  return text(24, 26, title, { "font-size": 16, "font-weight": 600 }) + text(24, 45, below, { fill: COLOURS.soft });
}
