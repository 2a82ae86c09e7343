import { newRandom, type Random } from "@konferenco/simulators";

/** What one attack came to. `pass`: the system holds; `naiveBroken`: the same attack breaks the plain way of doing it, so it is one. */
export interface AttackRow {
  id: string;
  title: string;
  metric: string;
  value: number;
  threshold: number;
  /** `least`: the value must not be below the threshold; `most`: not above. */
  bound: "least" | "most";
  pass: boolean;
  naive: number;
  naiveBroken: boolean;
  seed: string;
  samples: number;
}

export interface AttackContext {
  seed: string;
  dice: Random;
  /** 1: the sample sizes of the definition. Less: for the test suite, which only wants to know that it runs. */
  scale: number;
}

export interface Attack {
  id: string;
  title: string;
  run(context: AttackContext): Promise<Omit<AttackRow, "id" | "title" | "seed" | "pass" | "naiveBroken">>;
}

export async function runAttack(attack: Attack, seed: string, scale: number): Promise<AttackRow> {
  const result = await attack.run({ seed, dice: newRandom(`${seed}/${attack.id}`), scale });
  const holds = (value: number) => (result.bound === "least" ? value >= result.threshold : value <= result.threshold);
  return { id: attack.id, title: attack.title, ...result, seed, pass: holds(result.value), naiveBroken: !holds(result.naive) };
}

/** A sample size under the scale, at least `least`. */
export function sized({ scale }: AttackContext, whole: number, least: number): number {
  return Math.max(least, Math.round(whole * scale));
}
