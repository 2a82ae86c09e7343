import { useState } from "preact/hooks";
import { inWords } from "../common/api.ts";
import type { NoticeKinds, Notices } from "./notices.ts";

const KINDS: { kind: keyof NoticeKinds; word: string; what: string }[] = [
  { kind: "alerts", word: "Alerts from the venue", what: "Warnings and emergencies stay until you have seen them." },
  { kind: "near", word: "Somebody comes near", what: "Needs “Tell me when somebody comes near” above as well." },
];

/** What this device may say while the page is in the background. Nothing is asked before somebody turns one on. */
export function NoticesCard({ notices }: { notices: Notices }) {
  const [fault, setFault] = useState<string | null>(null);
  const permission = notices.permission.value;
  const kinds = notices.kinds.value.value;
  const choose = (kind: keyof NoticeKinds, wanted: boolean): void => {
    setFault(null);
    notices.choose(kind, wanted).catch((error: unknown) => setFault(`Not changed. ${inWords(error)}`));
  };
  return (
    <section class="card my-notices" id="notices" aria-labelledby="notices-title">
      <div class="card-head">
        <h2 id="notices-title">Notifications on this device</h2>
      </div>
      <p class="muted small">While you look at this page everything is shown on it. These are for when you do not.</p>
      {KINDS.map(({ kind, word, what }) => (
        <label key={kind} class="switch">
          <span>{word}</span>
          <input
            type="checkbox"
            role="switch"
            checked={kinds[kind] && permission === "granted"}
            disabled={permission === "unavailable"}
            onChange={(event) => {
              const box = event.currentTarget;
              choose(kind, box.checked);
              // It stands as it is until the person has answered the browser.
              box.checked = kinds[kind];
            }}
            data-testid={`notice-${kind}`}
          />
          <span class="muted small">{what}</span>
        </label>
      ))}
      {permission === "denied" && (
        <p class="note warn" role="status">
          Your browser does not let this page notify you. You can change this in the browser’s settings for this site.
        </p>
      )}
      {permission === "unavailable" && (
        <p class="note warn" role="status">
          This browser, or a page without HTTPS, cannot show notifications.
        </p>
      )}
      {fault !== null && (
        <p class="note bad" role="alert">
          {fault}
        </p>
      )}
    </section>
  );
}
