import type { VenueMap } from "@konferenco/protocol";
import { useRef, useState } from "preact/hooks";
import { clockTime, walkInWords, zoneName } from "../common/words.ts";
import type { FeedItem, LiveVenue } from "./live-venue.ts";

/** What happened last, newest first. Somebody who has scrolled down to read keeps their place; new lines wait above. */
export function ActivityPanel({ live, venue }: { live: LiveVenue; venue: VenueMap }) {
  const list = useRef<HTMLOListElement>(null);
  const [held, setHeld] = useState<readonly FeedItem[] | null>(null);
  const [alertsOnly, setAlertsOnly] = useState(false);
  const all = live.feed.value;
  // What must be forgotten goes from a held list too.
  const stillThere = new Set(all.map((item) => item.id));
  const shown = (held?.filter((item) => stillThere.has(item.id)) ?? all).filter((item) => !alertsOnly || item.kind === "alert");
  const newestShown = held?.[0]?.id ?? Infinity;
  const waiting = held === null ? 0 : all.filter((item) => item.id > newestShown && (!alertsOnly || item.kind === "alert")).length;

  const onScroll = (): void => {
    const isReading = (list.current?.scrollTop ?? 0) > 8;
    if (isReading !== (held !== null)) setHeld(isReading ? all : null);
  };
  const toTop = (): void => {
    setHeld(null);
    list.current?.scrollTo({ top: 0 });
  };

  return (
    <section class="activity" aria-labelledby="activity-title">
      <div class="card-head">
        <h2 id="activity-title">Activity</h2>
        <label class="small check">
          <input type="checkbox" checked={alertsOnly} onChange={(event) => setAlertsOnly(event.currentTarget.checked)} /> Alerts only
        </label>
      </div>
      {waiting > 0 && (
        <button type="button" class="button slim primary feed-new" onClick={toTop}>
          {waiting} new ↑
        </button>
      )}
      <ol class="feed" ref={list} onScroll={onScroll} tabIndex={0} aria-label="Activity, newest first" data-testid="feed">
        {shown.length === 0 && <li class="muted">Nothing yet. Arrivals, departures and alerts appear here.</li>}
        {shown.map((item) => (
          <li key={item.id} class="feed-item" data-kind={item.kind} data-severity={item.kind === "alert" ? item.alert.severity : undefined}>
            <time class="muted">{clockTime(item.atMs, { seconds: true })}</time>
            <span>
              <Line item={item} venue={venue} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Line({ item, venue }: { item: FeedItem; venue: VenueMap }) {
  if (item.kind === "note") return <i>{item.text}</i>;
  if (item.kind === "moved") {
    return (
      <>
        <b>{item.name}</b> {walkInWords(item, venue)}
      </>
    );
  }
  if (item.kind === "gateway") {
    return (
      <>
        <b>{item.gatewayId}</b> {{ online: "is back online", silent: "hears nothing any more", offline: "went offline" }[item.state]}
      </>
    );
  }
  if (item.kind === "crowd") {
    return (
      <>
        <b>{zoneName(venue, item.zoneId)}</b> {item.isHot ? "is a hot spot" : "is no hot spot any more"}
      </>
    );
  }
  const { alert } = item;
  return (
    <>
      <b>{{ info: "Information", warning: "Warning", emergency: "Emergency" }[alert.severity]}:</b> {alert.title}
      {alert.zoneIds.length > 0 && <span class="muted"> · {alert.zoneIds.map((zoneId) => zoneName(venue, zoneId)).join(", ")}</span>}
    </>
  );
}
