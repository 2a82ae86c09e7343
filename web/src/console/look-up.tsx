import type { Session, VenueMap } from "@konferenco/protocol";
import { useState } from "preact/hooks";
import { ApiError, callApi, inWords } from "../common/api.ts";
import { floorName, zoneName } from "../common/words.ts";
import type { LiveVenue } from "./live-venue.ts";

type Place = { level: "precise"; xM: number; yM: number; floor: number; zoneId: string | null } | { level: "zone"; floor: number; zoneId: string } | { level: "venue" } | null;

interface LookUpProps {
  session: Session;
  venue: VenueMap;
  live: LiveVenue;
}

/** The server asks for as much. */
const MIN_REASON = 5;

/** Where one person is, for a reason that the person reads. */
export function LookUp({ session, venue, live }: LookUpProps) {
  const [who, setWho] = useState("");
  const [reason, setReason] = useState("");
  const [isAsking, setAsking] = useState(false);
  const [answer, setAnswer] = useState<{ isGood: boolean; words: string } | null>(null);
  const people = live.presences.value.filter((presence) => presence.kind === "person");
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    setAsking(true);
    setAnswer(null);
    const personId = people.find(({ label }) => label === who)?.key ?? who.trim();
    try {
      const { place } = await callApi<{ place: Place }>(`people/${encodeURIComponent(personId)}/whereabouts?reason=${encodeURIComponent(reason.trim())}`, { token: session.token });
      setAnswer({ isGood: true, words: inPlainWords(place, venue) });
    } catch (error) {
      const isLimit = error instanceof ApiError && error.code === "rate_limited";
      setAnswer({ isGood: false, words: isLimit ? "Not answered: you have looked up too many people, or this one too often. Ask the person in charge, or wait some minutes." : `Not answered. ${inWords(error)}` });
    } finally {
      setAsking(false);
    }
  };
  return (
    <form class="card form" aria-labelledby="look-up-title" onSubmit={(event) => void ask(event)}>
      <h2 id="look-up-title">Where is one person?</h2>
      <p class="small muted">
        For emergencies. <b>The person can read that you asked, when and why.</b> Ten look-ups at once, then one a minute; the same person three times in ten minutes. Only what they show staff is told.
      </p>
      <label class="field">
        <span class="label">Name as in the list above, or id</span>
        <input class="input" list="known-people" required maxLength={120} value={who} onInput={(event) => setWho(event.currentTarget.value)} />
      </label>
      <datalist id="known-people">
        {people.slice(0, 200).map(({ key, label }) => (
          <option key={key} value={label} />
        ))}
      </datalist>
      <label class="field">
        <span class="label">Why</span>
        <input class="input" required minLength={MIN_REASON} maxLength={200} placeholder="For example: medical emergency" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      {answer !== null && (
        <p class={`note ${answer.isGood ? "ok" : "bad"}`} role={answer.isGood ? "status" : "alert"} data-testid="look-up-answer">
          {answer.words}
        </p>
      )}
      <button class="button primary" disabled={isAsking} data-testid="look-up">
        {isAsking ? "Asking…" : "Look up, and let them know"}
      </button>
    </form>
  );
}

function inPlainWords(place: Place, venue: VenueMap): string {
  if (place === null) return "Nothing is shown: they are not here, do not show themselves to staff, or there is no such person.";
  if (place.level === "venue") return "At the venue; they do not show staff where.";
  const where = `${zoneName(venue, place.zoneId)}, ${floorName(venue, place.floor)}`;
  return place.level === "precise" ? `${where}, at ${Math.round(place.xM)} m / ${Math.round(place.yM)} m of the map` : where;
}
