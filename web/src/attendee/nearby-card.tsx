import type { NearbyPerson } from "@konferenco/client";
import { useState } from "preact/hooks";
import { activityInWords, ago } from "../common/words.ts";
import type { LiveMe } from "./live-me.ts";

/** Bands, from near to far; never a distance: that is all that people's levels give away. */
const BANDS: { within: NearbyPerson["within"]; word: string }[] = [
  { within: "10m", word: "Within 10 m" },
  { within: "50m", word: "Within 50 m" },
  { within: "same_zone", word: "In the same area" },
  { within: "same_venue", word: "At the venue" },
];

/** As many as a phone shows without much scrolling; the rest on request. */
const SHOWN_FIRST = 6;

export function NearbyCard({ live, hasConsent }: { live: LiveMe; hasConsent: boolean }) {
  const [showsAll, setShowsAll] = useState(false);
  const { nearby, near } = live.state.value;
  const sorted = BANDS.flatMap(({ within }) => nearby.filter((person) => person.within === within));
  const shown = showsAll ? sorted : sorted.slice(0, SHOWN_FIRST);
  return (
    <section class="card" id="nearby" aria-labelledby="nearby-title">
      <div class="card-head">
        <h2 id="nearby-title">People near me</h2>
      </div>
      <ul class="near" aria-live="polite" data-testid="near">
        {near.map((person) => (
          <li key={person.personId} class="note ok">
            {person.text ?? (
              <>
                <b>{person.name}</b> is near you
              </>
            )}{" "}
            <span class="small">{ago(person.atMs, Date.now())}</span>
          </li>
        ))}
      </ul>
      {nearby.length === 0 ? (
        <p class="muted">{hasConsent ? "Nobody who shows themselves is near you at the moment." : "Without your consent to location nobody is shown here."}</p>
      ) : (
        <div class="bands" data-testid="nearby">
          {BANDS.map(({ within, word }) => {
            const people = shown.filter((person) => person.within === within);
            if (people.length === 0) return null;
            return (
              <div key={within}>
                <h3 class="group-name">{word}</h3>
                <ul>
                  {people.map((person) => (
                    <li key={person.personId} class="my-person">
                      <span class="initials" aria-hidden="true">
                        {initials(person.name)}
                      </span>
                      <span>
                        <b>{person.name}</b>
                        {person.company !== "" && <span class="muted"> · {person.company}</span>}
                        {person.activity !== undefined && person.activity.kind !== "exploring" && <span class="muted small person-activity">{activityInWords(person.activity)}</span>}
                        {person.sharedInterests.length > 0 && (
                          <span class="interests">
                            <span class="visually-hidden">You share: </span>
                            {person.sharedInterests.map((interest) => (
                              <span key={interest} class="interest">
                                {interest}
                              </span>
                            ))}
                          </span>
                        )}
                      </span>
                    </li>
                  ))}
                </ul>
              </div>
            );
          })}
          {sorted.length > SHOWN_FIRST && (
            <button type="button" class="button quiet slim" aria-expanded={showsAll} onClick={() => setShowsAll(!showsAll)}>
              {showsAll ? "Show fewer" : `Show all ${sorted.length}`}
            </button>
          )}
        </div>
      )}
    </section>
  );
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return ((words[0]?.[0] ?? "") + (words.length > 1 ? (words.at(-1)?.[0] ?? "") : "")).toUpperCase();
}
