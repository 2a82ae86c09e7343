import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { followVotes, newSurveySounds, steadinessOf, voteNats, voteOf, type SurveyVotes, type SurveyWitness } from "../../../fusion/src/core/survey-votes.ts";
import { linksOf } from "../links.ts";

const sensitivityDbm = Float64Array.from([-91, -91, -91]);
/** Ten spots of place 0 near the first gateway, ten of place 1 near the second; nobody hears the third. */
const sounds = newSurveySounds(
  Array.from({ length: 20 }, (_, spot) => ({ place: spot < 10 ? 0 : 1, floorIndex: 0, xM: spot, yM: 2 })),
  Array.from({ length: 20 }, (_, spot) => (spot < 10 ? [-60 - 0.3 * spot, -75, NaN] : [-75, -60 - 0.3 * (spot - 10), NaN])),
  sensitivityDbm,
);

const links = (levelsDbm: Record<number, number>, heardAtMs = 900) => linksOf(levelsDbm, heardAtMs);
const sharesOf = (levelsDbm: Record<number, number>, offsetDb = 0, nowMs = 1_000) => {
  const votes = voteOf(sounds, links(levelsDbm), offsetDb, nowMs, config);
  return votes === null ? null : Object.fromEntries(votes.places.map((place, i) => [place, votes.shares[i]]));
};

describe("votes of a survey's spots", () => {
  it("are for the place where it sounds as it does now, and sum to 1", () => {
    expect(sharesOf({ 0: -61, 1: -75 })).toEqual({ 0: expect.closeTo(1, 6) });
    const between = sharesOf({ 0: -67.5, 1: -67.5 }) as Record<number, number>;
    expect((between[0] as number) + (between[1] as number)).toBeCloseTo(1);
    expect(Math.abs((between[0] as number) - (between[1] as number))).toBeLessThan(0.3);
  });

  it("have their middle among the spots that sound alike, on one floor", () => {
    const votes = voteOf(sounds, links({ 0: -61, 1: -75 }), 0, 1_000, config) as SurveyVotes;
    expect(votes.yM).toBeCloseTo(2);
    expect(votes.xM).toBeGreaterThan(2);
    expect(votes.xM).toBeLessThan(5);
    // The same spots, every other one a floor up and far off.
    const upstairs = newSurveySounds(sounds.spots.map((spot, k) => (k % 2 === 1 ? spot : { ...spot, floorIndex: 1, xM: 100 })), Array.from({ length: 20 }, (_, spot) => Array.from(sounds.levelDbm, (levels) => levels[spot] as number)), sensitivityDbm);
    const split = voteOf(upstairs, links({ 0: -61, 1: -75 }), 0, 1_000, config) as SurveyVotes;
    expect(split.floorIndex).toBe(0);
    expect(split.xM).toBeLessThan(10);
  });

  it("know that a tag is louder than the surveyor's", () => {
    expect(sharesOf({ 0: -71, 1: -85 }, -10)).toEqual(sharesOf({ 0: -61, 1: -75 }));
  });

  it("count what is missing: a gateway that is silent here and loud there", () => {
    expect(sharesOf({ 0: -66 })).toEqual({ 0: expect.closeTo(1, 6) });
    expect(sharesOf({ 0: -75, 1: -62, 2: -70 })).toEqual({ 1: expect.closeTo(1, 6) });
  });

  it("are none of a tag that is silent, and say nothing without a survey", () => {
    expect(voteOf(sounds, links({ 0: -61 }, 1_000), 0, 1_000 + config.windowMs, config)).toBeNull();
    expect(voteNats(null, 0, config)).toBe(0);
  });

  it("speak for the place that has them and against one that has none, within a bound", () => {
    const survey = witness([voteOf(sounds, links({ 0: -61, 1: -75 }), 0, 1_000, config) as SurveyVotes]);
    expect(voteNats(survey, 0, config)).toBeCloseTo(0, 1);
    expect(voteNats(survey, 1, config)).toBeLessThanOrEqual(config.surveyVoteShare * Math.log(0.02));
    expect(voteNats(survey, 1, config)).toBeGreaterThanOrEqual(config.surveySteadyVoteShare * Math.log(0.04));
  });

  it("are trusted as far as they agree from look to look", () => {
    const [here, there] = [votesFor(0), votesFor(1)];
    const steady = witness(Array.from({ length: 240 }, (_, k) => (k < 120 ? here : there)));
    const flickering = witness(Array.from({ length: 240 }, (_, k) => (k % 2 === 0 ? here : there)));
    expect(steadinessOf(steady, config)).toBeGreaterThan(0.9);
    expect(steadinessOf(flickering, config)).toBeLessThan(0.01);
    expect(flickering.churnPerS).toBeCloseTo(2, 1);
    expect(voteNats(steady, 0, config)).toBeLessThan(2 * voteNats(flickering, 0, config));
    // New votes of the same instant are no change of mind.
    expect(followVotes(steady, here, steady.votedAtMs, config).churnPerS).toBe(steady.churnPerS);
  });
});

const votesFor = (place: number): SurveyVotes => ({ places: [place], shares: [1], floorIndex: 0, xM: 0, yM: 0 });
/** After votes every half second. */
function witness(votes: readonly SurveyVotes[]): SurveyWitness {
  let survey: SurveyWitness | null = null;
  votes.forEach((look, k) => (survey = followVotes(survey, look, 500 * k, config)));
  return survey as unknown as SurveyWitness;
}
