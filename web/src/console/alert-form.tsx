import type { Alert, ReceiptCounts, Session, VenueMap } from "@konferenco/protocol";
import { useRef, useState } from "preact/hooks";
import { callApi, inWords } from "../common/api.ts";
import { clockTime, counted, zoneName } from "../common/words.ts";
import type { LiveVenue } from "./live-venue.ts";

type Severity = Alert["severity"];

const SEVERITIES: { severity: Severity; word: string; what: string }[] = [
  { severity: "info", word: "Information", what: "Quietly added to everybody's list" },
  { severity: "warning", word: "Warning", what: "On top of everybody's page until it is read" },
  { severity: "emergency", word: "Emergency", what: "In red on top of everybody's page until it is read" },
];

// The protocol's limits; the server checks them again.
const MAX_TITLE = 120;
const MAX_TEXT = 500;

interface Draft {
  severity: Severity;
  title: string;
  text: string;
  zoneIds: string[];
}

const EMPTY: Draft = { severity: "info", title: "", text: "", zoneIds: [] };

export function AlertForm({ session, venue, live }: { session: Session; venue: VenueMap; live: LiveVenue }) {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [outcome, setOutcome] = useState<{ isGood: boolean; words: string } | null>(null);
  const [isSending, setSending] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const change = (part: Partial<Draft>): void => {
    setOutcome(null);
    setDraft({ ...draft, ...part });
  };
  const whom = draft.zoneIds.length === 0 ? "the whole venue" : draft.zoneIds.map((zoneId) => zoneName(venue, zoneId)).join(", ");

  const send = async (): Promise<void> => {
    dialog.current?.close();
    setSending(true);
    setOutcome(null);
    try {
      const { zoneIds, ...rest } = draft;
      await callApi("alerts", { method: "POST", token: session.token, body: { ...rest, ...(zoneIds.length === 0 ? {} : { zoneIds }) } });
      setOutcome({ isGood: true, words: `“${draft.title}” was sent to ${whom}.` });
      setDraft({ ...EMPTY });
    } catch (error) {
      setOutcome({ isGood: false, words: `Not sent. ${inWords(error)}` });
    } finally {
      setSending(false);
    }
  };
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    if (draft.severity === "emergency") dialog.current?.showModal();
    else void send();
  };
  const sent = live.feed.value.flatMap((item) => (item.kind === "alert" ? [item.alert] : [])).slice(0, 5);

  return (
    <>
      <form class="card form" onSubmit={onSubmit} aria-labelledby="alert-title">
        <h2 id="alert-title">Send an alert</h2>
        <fieldset class="severities">
          <legend class="label">How urgent is it?</legend>
          {SEVERITIES.map(({ severity, word, what }) => (
            <label key={severity} class="severity" data-severity={severity}>
              <input type="radio" name="severity" value={severity} checked={draft.severity === severity} onChange={() => change({ severity })} />
              <span>
                <b>{word}</b>
                <span class="muted small">{what}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <div class="field">
          <label for="title">Title</label>
          <input class="input" id="title" value={draft.title} maxLength={MAX_TITLE} required onInput={(event) => change({ title: event.currentTarget.value })} placeholder="Lunch is served" />
        </div>
        <div class="field">
          <label for="text">What people should know or do</label>
          <textarea class="input" id="text" rows={4} value={draft.text} maxLength={MAX_TEXT} required onInput={(event) => change({ text: event.currentTarget.value })} />
          <span class="muted small counter">
            {draft.text.length} / {MAX_TEXT}
          </span>
        </div>
        <fieldset class="field">
          <legend class="label">Whom it concerns</legend>
          <label class="check">
            <input type="checkbox" checked={draft.zoneIds.length === 0} disabled={draft.zoneIds.length === 0} onChange={() => change({ zoneIds: [] })} /> The whole venue
          </label>
          <details class="zone-choice">
            <summary>{draft.zoneIds.length === 0 ? "Choose zones" : whom}</summary>
            {venue.zones.map((zone) => (
              <label key={zone.zoneId} class="check">
                <input
                  type="checkbox"
                  checked={draft.zoneIds.includes(zone.zoneId)}
                  onChange={(event) => change({ zoneIds: event.currentTarget.checked ? [...draft.zoneIds, zone.zoneId] : draft.zoneIds.filter((zoneId) => zoneId !== zone.zoneId) })}
                />
                {zone.name}
              </label>
            ))}
          </details>
        </fieldset>
        {outcome !== null && (
          <p class={`note ${outcome.isGood ? "ok" : "bad"}`} role={outcome.isGood ? "status" : "alert"} data-testid="alert-outcome">
            {outcome.words}
          </p>
        )}
        <button class={`button ${draft.severity === "emergency" ? "danger" : "primary"}`} disabled={isSending} data-testid="send-alert">
          {isSending ? "Sending…" : draft.severity === "emergency" ? "Send emergency alert…" : "Send alert"}
        </button>
      </form>
      {sent.length > 0 && (
        <section class="card" aria-labelledby="sent-title">
          <h2 id="sent-title" class="card-head">
            Latest alerts
          </h2>
          <ul class="sent">
            {sent.map((alert) => (
              <li key={alert.alertId} data-severity={alert.severity}>
                <b>{alert.title}</b>
                <span class="muted small">
                  {clockTime(alert.atMs)} · {alert.zoneIds.length === 0 ? "whole venue" : alert.zoneIds.map((zoneId) => zoneName(venue, zoneId)).join(", ")}
                </span>
                <Receipts counts={live.receipts.value.get(alert.alertId)} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <dialog ref={dialog} aria-labelledby="confirm-title">
        <h2 id="confirm-title" class="confirm-title">
          Send an emergency alert to {whom}?
        </h2>
        <p>It appears at once, in red, on the page of everybody at this event, and cannot be taken back.</p>
        <blockquote class="confirm-quote">
          <b>{draft.title}</b>
          <br />
          {draft.text}
        </blockquote>
        <div class="confirm-buttons">
          {/* The harmless choice has the focus. */}
          <button type="button" class="button" autofocus onClick={() => dialog.current?.close()}>
            Do not send
          </button>
          <button type="button" class="button danger" onClick={() => void send()} data-testid="confirm-alert">
            Send emergency alert
          </button>
        </div>
      </dialog>
    </>
  );
}

/** How many devices have said that they have it; the others are tried again. */
function Receipts({ counts }: { counts: ReceiptCounts | undefined }) {
  if (counts === undefined) return null;
  const { delivered, pending, failed } = counts;
  const all = delivered + pending + failed;
  const rest = [pending > 0 ? `${pending} still waiting` : "", failed > 0 ? `${counted(failed, "device", "devices")} not reached, told on return` : ""].filter((part) => part !== "");
  return (
    <span class="receipts small" data-testid="receipts">
      <meter class="receipt-bar" min={0} max={Math.max(1, all)} value={delivered} aria-hidden="true" />
      {pending === 0 && failed === 0 ? `Delivered to all ${counted(all, "device", "devices")}` : `Delivered to ${delivered} of ${counted(all, "device", "devices")} · ${rest.join(" · ")}`}
    </span>
  );
}
