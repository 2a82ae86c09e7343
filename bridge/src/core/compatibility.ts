import type { Profile } from "@konferenco/protocol";

/** How well two people suit each other, and what speaks for it, in words that both may read. */
export interface Match {
  /** 0 to 1, the mean of what is known of both. */
  score: number;
  /** What both are interested in, the first of the viewer's interests that the other shares. */
  topic: string | null;
  reasons: string[];
}

/** From here on two people are told of each other (requirement C4). */
export const COMPATIBLE = 0.7;

/**
 * The mean of the features that both profiles fill in: interests (cosine), skills looked for and had, goals, schedule.
 * Unknown features leave the mean: who says little is no worse a match for it. The example of requirement C5:
 * [AI, ML] and [AI, NLP] are 0.5 alike, the same goal is 1, so the two are 0.75.
 */
export function matchOf(mine: Profile, theirs: Profile): Match {
  const features: number[] = [];
  const reasons: string[] = [];
  const shared = sharedOf(mine.interests, theirs.interests);
  if (mine.interests.length > 0 && theirs.interests.length > 0) features.push(cosine(mine.interests, theirs.interests, shared.length));
  if (shared.length > 0) reasons.push(`you share ${shared.slice(0, 3).join(", ")}`);
  const skills = complement(mine, theirs);
  if (skills !== null) features.push(skills.share);
  if (skills !== null && skills.found.length > 0) reasons.push(`skills that one has and the other looks for: ${skills.found.slice(0, 3).join(", ")}`);
  const goals = goalsOf(mine, theirs);
  if (goals !== null) features.push(goals);
  if (goals === 1) reasons.push(`both look for: ${mine.lookingFor}`);
  const sessions = sharedOf(mine.schedule ?? [], theirs.schedule ?? []);
  if (mine.schedule !== undefined && theirs.schedule !== undefined && mine.schedule.length > 0 && theirs.schedule.length > 0) features.push(cosine(mine.schedule, theirs.schedule, sessions.length));
  if (sessions.length > 0) reasons.push(`${sessions.length === 1 ? "a session" : `${sessions.length} sessions`} in both schedules`);
  const score = features.length === 0 ? 0 : features.reduce((sum, feature) => sum + feature, 0) / features.length;
  return { score: Math.round(score * 1_000) / 1_000, topic: shared[0] ?? null, reasons };
}

/** Of the first list, what the second has too, whatever its letters' case. */
export function sharedOf(mine: readonly string[], theirs: readonly string[]): string[] {
  if (mine.length === 0 || theirs.length === 0) return [];
  const others = new Set(theirs.map(fold));
  return mine.filter((word, index) => others.has(fold(word)) && mine.findIndex((earlier) => fold(earlier) === fold(word)) === index);
}

export function fold(word: string): string {
  return word.trim().toLowerCase();
}

/** Of two sets, each word a dimension. */
function cosine(a: readonly string[], b: readonly string[], shared: number): number {
  const size = (words: readonly string[]) => new Set(words.map(fold)).size;
  return shared / Math.sqrt(size(a) * size(b));
}

/** Skills that one looks for and the other has, of all that either looks for; null: nobody looks for any. */
function complement(a: Profile, b: Profile): { share: number; found: string[] } | null {
  const wanted = (of: Profile, from: Profile) => ({ of: of.wantedSkills?.length ?? 0, found: sharedOf(of.wantedSkills ?? [], from.skills ?? []) });
  const [ours, theirs] = [wanted(a, b), wanted(b, a)];
  const all = ours.of + theirs.of;
  return all === 0 || ((a.skills?.length ?? 0) === 0 && (b.skills?.length ?? 0) === 0) ? null : { share: (ours.found.length + theirs.found.length) / all, found: [...ours.found, ...theirs.found] };
}

/** Goals that are met by each other rather than shared. */
const COUNTERPARTS: readonly (readonly [string, string])[] = [["hire", "job"], ["investor", "startup"], ["mentor", "mentee"]];

function goalsOf(a: Profile, b: Profile): number | null {
  const [mine, theirs] = [fold(a.lookingFor), fold(b.lookingFor)];
  if (mine === "" || theirs === "") return null;
  const meet = COUNTERPARTS.some(([one, other]) => (mine === one && theirs === other) || (mine === other && theirs === one));
  return mine === theirs || meet ? 1 : 0;
}
