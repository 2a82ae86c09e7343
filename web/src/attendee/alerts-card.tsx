import type { Alert, VenueMap } from "@konferenco/protocol";
import type { Kept } from "../common/kept.ts";
import { clockTime, zoneName } from "../common/words.ts";

interface AlertsProps {
  alerts: readonly Alert[];
  venue: VenueMap;
  /** Ids of those that were read, in whichever tab. */
  read: Kept<readonly string[]>;
}

/** Ids that are remembered as read; beyond, the oldest would show once more. */
const MAX_READ = 200;
const WORDS = { info: "Information", warning: "Warning", emergency: "Emergency" };

/** Warnings and emergencies stand on top of all until they are read; an emergency speaks up at once. */
export function UrgentAlerts({ alerts, venue, read }: AlertsProps) {
  const urgent = unreadOf(alerts, read)
    .filter((alert) => alert.severity !== "info")
    .toSorted((a, b) => rank(a) - rank(b));
  return (
    <div class="urgent" role="region" aria-label="Urgent alerts" aria-live="assertive" data-testid="urgent">
      {urgent.map((alert) => (
        <article key={alert.alertId} class="urgent-alert" data-severity={alert.severity}>
          <p class="urgent-kind">
            {WORDS[alert.severity]} · <time>{clockTime(alert.atMs)}</time>
          </p>
          <h2>{alert.title}</h2>
          <p class="alert-text">{alert.text}</p>
          <Where alert={alert} venue={venue} />
          <button type="button" class="button" onClick={() => markRead(read, [alert.alertId])}>
            I have read this
          </button>
        </article>
      ))}
    </div>
  );
}

export function AlertsCard({ alerts, venue, read }: AlertsProps) {
  const unread = unreadOf(alerts, read);
  return (
    <section class="card" id="alerts" aria-labelledby="alerts-title">
      <div class="card-head">
        <h2 id="alerts-title">Alerts</h2>
        {unread.length > 0 && (
          <button type="button" class="button quiet slim" onClick={() => markRead(read, unread.map((alert) => alert.alertId))}>
            Mark {unread.length === 1 ? "it" : `all ${unread.length}`} as read
          </button>
        )}
      </div>
      <ul class="alerts" aria-live="polite" data-testid="alerts">
        {alerts.length === 0 && <li class="muted">No alerts.</li>}
        {alerts.map((alert) => (
          <li key={alert.alertId} data-severity={alert.severity}>
            <p class="small muted">
              {WORDS[alert.severity]} · <time>{clockTime(alert.atMs)}</time>
              {unread.includes(alert) && <span class="new-mark">New</span>}
            </p>
            <b>{alert.title}</b>
            <p class="alert-text">{alert.text}</p>
            <Where alert={alert} venue={venue} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Where({ alert, venue }: { alert: Alert; venue: VenueMap }) {
  if (alert.zoneIds.length === 0) return null;
  return <p class="small">For: {alert.zoneIds.map((zoneId) => zoneName(venue, zoneId)).join(", ")}</p>;
}

function rank(alert: Alert): number {
  return alert.severity === "emergency" ? 0 : 1;
}

/** What this person has not said to have read, on any tab of this browser. */
export function unreadOf(alerts: readonly Alert[], read: Kept<readonly string[]>): Alert[] {
  return alerts.filter((alert) => !read.value.value.includes(alert.alertId));
}

function markRead(read: Kept<readonly string[]>, alertIds: string[]): void {
  read.change([...read.value.value, ...alertIds].slice(-MAX_READ));
}
