import type { NearbyPerson } from "@konferenco/client";
import { ago } from "../common/words.ts";
import type { LiveMe } from "./live-me.ts";

/** Bands, from near to far; never a distance: that is all that people's levels give away. */
const BANDS: { within: NearbyPerson["within"]; word: string }[] = [
  { within: "10m", word: "Within 10 m" },
  { within: "50m", word: "Within 50 m" },
  { within: "same_zone", word: "In the same area" },
  { within: "same_venue", word: "At the venue" },
];

export function NearbyCard({ live, hasConsent }: { live: LiveMe; hasConsent: boolean }) {
  const { nearby, near } = live.state.value;
  return (
    <section class="card" id="nearby" aria-labelledby="nearby-title">
      <div class="card-head">
        <h2 id="nearby-title">People near me</h2>
      </div>
      <ul class="near" aria-live="polite" data-testid="near">
        {near.map((person) => (
          <li key={person.personId} class="note ok">
            <b>{person.name}</b> is near you <span class="small">{ago(person.atMs, Date.now())}</span>
          </li>
        ))}
      </ul>
      {nearby.length === 0 ? (
        <p class="muted">{hasConsent ? "Nobody who shows themselves is near you at the moment." : "Without your consent to location nobody is shown here."}</p>
      ) : (
        <div class="bands" data-testid="nearby">
          {BANDS.map(({ within, word }) => {
            const people = nearby.filter((person) => person.within === within);
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
        </div>
      )}
    </section>
  );
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return ((words[0]?.[0] ?? "") + (words.length > 1 ? (words.at(-1)?.[0] ?? "") : "")).toUpperCase();
}
