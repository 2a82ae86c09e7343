/** How many have passed each stage since a process started, by the stage's name. */
export type FlowCounts = Readonly<Record<string, number>>;

/** Processes tell their counts so often at most. */
export const FLOW_EVERY_MS = 1_000;
/** The board is read so far behind, that the counts of both sides of the moment are there: rates are smooth, and no less true. */
const BEHIND_MS = 1_500;
/** Of one process: what the moment that is read can lie between. */
const MAX_SAMPLES = 4;
/** Processes of an event with those before their restarts, 500 bytes each; beyond, the one that was heard the longest ago goes. */
const MAX_SOURCES = 64;

interface Sample {
  atMs: number;
  counts: FlowCounts;
}

interface Source {
  /** What had passed before we heard of the process for the first time. */
  base: FlowCounts;
  samples: Sample[];
}

/** The counts of all processes of an event as one, by the clock of the reader. */
export class FlowBoard {
  readonly #sources = new Map<string, Source>();

  heard(from: string, counts: FlowCounts, atMs: number): void {
    const source = this.#sources.get(from) ?? { base: counts, samples: [] };
    source.samples.push({ atMs, counts });
    if (source.samples.length > MAX_SAMPLES) source.samples.shift();
    this.#sources.delete(from); // to the end: the map's order is the order of last word
    this.#sources.set(from, source);
    if (this.#sources.size <= MAX_SOURCES) return;
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined) this.#sources.delete(oldest);
  }

  /** What had passed each of the stages a moment ago, and when that was. */
  read(nowMs: number, stages: readonly string[]): { atMs: number; counts: Record<string, number> } {
    const atMs = nowMs - BEHIND_MS;
    const counts: Record<string, number> = {};
    for (const stage of stages) {
      let passed: number | undefined;
      for (const source of this.#sources.values()) {
        if (stage in source.base) passed = (passed ?? 0) + passedAt(source, stage, atMs);
      }
      if (passed !== undefined) counts[stage] = Math.round(passed);
    }
    return { atMs, counts };
  }
}

function passedAt({ base, samples }: Source, stage: string, atMs: number): number {
  const countOf = (sample: Sample | undefined) => (sample?.counts[stage] ?? 0) - (base[stage] ?? 0);
  const next = samples.findIndex((sample) => sample.atMs > atMs);
  if (next === -1) return countOf(samples.at(-1));
  if (next === 0) return countOf(samples[0]);
  const [before, after] = [samples[next - 1], samples[next]] as [Sample, Sample];
  // Who has nothing to tell is silent: what came after a pause came in its last second.
  const fromMs = Math.max(before.atMs, after.atMs - FLOW_EVERY_MS);
  const share = Math.max(0, (atMs - fromMs) / (after.atMs - fromMs));
  return countOf(before) + share * (countOf(after) - countOf(before));
}
