import type { Alert, VenueMap } from "@konferenco/protocol";
import { useState } from "preact/hooks";
import { clockTime, zoneName } from "../common/words.ts";

interface AlertsProps {
  alerts: readonly Alert[];
  venue: VenueMap;
}

const READ_KEY = "konferenco.attendee.read-alerts";
/** Ids that this tab remembers as read; beyond, the oldest would show once more. */
const MAX_READ = 200;
const WORDS = { info: "Information", warning: "Warning", emergency: "Emergency" };

/** Warnings and emergencies stand on top of all until they are read; an emergency speaks up at once. */
export function UrgentAlerts({ alerts, venue }: AlertsProps) {
  const [read, setRead] = useState(readIds);
  const urgent = alerts.filter((alert) => alert.severity !== "info" && !read.includes(alert.alertId)).toSorted((a, b) => rank(a) - rank(b));
  const markRead = (alertId: string): void => {
    const next = [...read, alertId].slice(-MAX_READ);
    sessionStorage.setItem(READ_KEY, JSON.stringify(next));
    setRead(next);
  };
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
          <button type="button" class="button" onClick={() => markRead(alert.alertId)}>
            I have read this
          </button>
        </article>
      ))}
    </div>
  );
}

export function AlertsCard({ alerts, venue }: AlertsProps) {
  return (
    <section class="card" id="alerts" aria-labelledby="alerts-title">
      <div class="card-head">
        <h2 id="alerts-title">Alerts</h2>
      </div>
      <ul class="alerts" aria-live="polite" data-testid="alerts">
        {alerts.length === 0 && <li class="muted">No alerts.</li>}
        {alerts.map((alert) => (
          <li key={alert.alertId} data-severity={alert.severity}>
            <p class="small muted">
              {WORDS[alert.severity]} · <time>{clockTime(alert.atMs)}</time>
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

function readIds(): string[] {
  try {
    return JSON.parse(sessionStorage.getItem(READ_KEY) ?? "[]") as string[];
  } catch {
    return [];
  }
}
