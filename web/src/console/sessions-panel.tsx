import type { SessionCount, VenueMap } from "@konferenco/protocol";
import { useEffect, useState } from "preact/hooks";
import { callApi } from "../common/api.ts";
import { clockTime, zoneName } from "../common/words.ts";
import type { LiveVenue } from "./live-venue.ts";

interface PlannedSession {
  sessionId: string;
  name: string;
  zoneId: string;
  startMs: number;
  endMs: number;
  capacity?: number;
}

interface SessionsPanelProps {
  token: string;
  live: LiveVenue;
  venue: VenueMap;
}

/** Sessions that people take part in now: who went to the corridor a moment ago still does, so it may be more than are in the room. */
export function SessionsPanel({ token, live, venue }: SessionsPanelProps) {
  const [planned, setPlanned] = useState<ReadonlyMap<string, PlannedSession>>(new Map());
  useEffect(() => {
    callApi<{ sessions: PlannedSession[] }>("schedule", { token }).then(
      ({ sessions }) => setPlanned(new Map(sessions.map((session) => [session.sessionId, session]))),
      () => {}, // the counts come without names then
    );
  }, [token]);
  const now = live.sessions.value.filter(({ present }) => present > 0).toSorted((a, b) => b.present - a.present);
  if (now.length === 0) return null;
  return (
    <section class="card" aria-labelledby="sessions-title">
      <div class="card-head">
        <h2 id="sessions-title">Sessions</h2>
        <span class="muted small">taking part</span>
      </div>
      <ul data-testid="sessions">
        {now.map((count) => (
          <SessionRow key={count.sessionId} count={count} session={planned.get(count.sessionId)} venue={venue} />
        ))}
      </ul>
    </section>
  );
}

function SessionRow({ count, session, venue }: { count: SessionCount; session: PlannedSession | undefined; venue: VenueMap }) {
  return (
    <li class="session-row">
      <span>
        {session?.name ?? count.sessionId}
        <span class="muted small">
          {session === undefined ? "" : `${zoneName(venue, session.zoneId)} · ${clockTime(session.startMs)}–${clockTime(session.endMs)} · `}
          {count.attended} stayed 5 min · at most {count.peak}
        </span>
      </span>
      <b>
        {count.present}
        {session?.capacity !== undefined && <span class="muted"> / {session.capacity}</span>}
      </b>
    </li>
  );
}
