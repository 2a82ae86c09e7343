import type { Session, VenueMap } from "@konferenco/protocol";
import { useState } from "preact/hooks";
import { activityInWords, counted, zoneName } from "../common/words.ts";
import type { Target } from "../map/scene.ts";
import type { LiveVenue } from "./live-venue.ts";
import { PeopleImport } from "./people-import.tsx";

/** Rows that a person can take in; the rest is found by typing. */
const MAX_ROWS = 100;

interface PeoplePanelProps {
  session: Session;
  venue: VenueMap;
  live: LiveVenue;
  selected: Target | null;
  onSelect: (target: Target | null) => void;
}

/** Whom staff may see, by name: to find somebody on the map without a mouse. */
export function PeoplePanel({ session, venue, live, selected, onSelect }: PeoplePanelProps) {
  const [wanted, setWanted] = useState("");
  const words = wanted.trim().toLowerCase();
  const found = live.presences.value
    .filter((presence) => presence.label.toLowerCase().includes(words) || zoneName(venue, presence.zoneId).toLowerCase().includes(words))
    .toSorted((a, b) => a.kind.localeCompare(b.kind) || a.label.localeCompare(b.label));
  return (
    <>
      <section class="card form" aria-labelledby="people-title">
        <h2 id="people-title">People that staff may see</h2>
        <input class="input" type="search" placeholder="Find by name or zone" aria-label="Find by name or zone" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        <ul class="people" data-testid="people">
          {found.length === 0 && <li class="muted">{words === "" ? "Nobody shows staff where they are at the moment." : "Nobody found."}</li>}
          {found.slice(0, MAX_ROWS).map((presence) => {
            const isSelected = selected?.kind === "dot" && selected.key === presence.key;
            const activity = live.activities.value.get(presence.key);
            return (
              <li key={presence.key}>
                <button type="button" class="person-row" aria-pressed={isSelected} onClick={() => onSelect(isSelected ? null : { kind: "dot", key: presence.key })}>
                  <span class={presence.kind === "thing" ? "mark mark-thing" : presence.spot === null ? "mark mark-area" : "mark mark-person"} />
                  <span>
                    {presence.label}
                    {presence.kind === "thing" && <span class="muted small"> tag with no person</span>}
                    {activity !== undefined && activity.kind !== "exploring" && <span class="muted small person-doing">{activityInWords(activity)}</span>}
                  </span>
                  <span class="muted small">{zoneName(venue, presence.zoneId)}</span>
                </button>
              </li>
            );
          })}
          {found.length > MAX_ROWS && <li class="muted small">… and {counted(found.length - MAX_ROWS, "more", "more")}</li>}
        </ul>
      </section>
      <PeopleImport session={session} />
    </>
  );
}
