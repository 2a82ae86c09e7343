import type { Session } from "@konferenco/protocol";
import { useRef, useState } from "preact/hooks";
import { callApi, inWords } from "../common/api.ts";
import { clockTime } from "../common/words.ts";

/** What the server says that it has erased, and how. */
export interface Receipt {
  erased: true;
  atMs: number;
  places: { where: string; what: string; how: string; untilMs?: number }[];
}

/** Erasing oneself cannot be taken back, so it is asked for twice. */
export function ForgetMe({ session, onForgotten }: { session: Session; onForgotten: (receipt: Receipt) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isErasing, setErasing] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const erase = async (): Promise<void> => {
    setErasing(true);
    setFault(null);
    try {
      onForgotten(await callApi<Receipt>("me", { method: "DELETE", token: session.token }));
    } catch (error) {
      setFault(`Not erased. ${inWords(error)}`);
      setErasing(false);
    }
  };
  return (
    <section class="card my-end" aria-labelledby="forget-title">
      <h2 id="forget-title">Forget me</h2>
      <p class="muted small">The event erases everything about you, at once and everywhere. This page then ends.</p>
      <button type="button" class="button bad-word" onClick={() => dialog.current?.showModal()} data-testid="forget">
        Erase everything about me…
      </button>
      <dialog ref={dialog} aria-labelledby="erase-title">
        <h2 id="erase-title">Erase everything about you?</h2>
        <ul class="warning-list">
          <li>Your profile, settings, messages and whereabouts are gone, in backups too.</li>
          <li>You are logged out everywhere, and your badge is nobody's.</li>
          <li>
            <b>Nobody can undo this.</b> To take part again you register anew.
          </li>
        </ul>
        <p class="muted small">You get a receipt of what was erased where. To be hidden only for a while, use “Hide me everywhere now”.</p>
        {fault !== null && (
          <p class="note bad" role="alert">
            {fault}
          </p>
        )}
        <div class="dialog-buttons">
          {/* The harmless choice has the focus. */}
          <button type="button" class="button" autofocus onClick={() => dialog.current?.close()}>
            Keep everything
          </button>
          <button type="button" class="button danger" disabled={isErasing} onClick={() => void erase()} data-testid="confirm-forget">
            {isErasing ? "Erasing…" : "Erase for good"}
          </button>
        </div>
      </dialog>
    </section>
  );
}

/** All that is left of the page: it stays until it is closed, and is kept nowhere. */
export function ReceiptPage({ receipt }: { receipt: Receipt }) {
  const file = `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(receipt, null, 2))}`;
  return (
    <main class="door receipt" data-testid="receipt">
      <h1>You are forgotten</h1>
      <p>
        Everything about you was erased at <time>{clockTime(receipt.atMs, { seconds: true })}</time>. This is the receipt; it does not say whose it is.
      </p>
      <ul class="facts">
        {receipt.places.map(({ where, what, how, untilMs }) => (
          <li key={`${where} ${what}`} class="lookup">
            <span>
              <b>{where}</b>
              <span class="muted small">{what}</span>
            </span>
            <span class="muted small">
              {how}
              {untilMs === undefined ? "" : ` by ${new Date(untilMs).toLocaleString()}`}
            </span>
          </li>
        ))}
      </ul>
      <a class="button" href={file} download="erasure-receipt.json">
        Save the receipt
      </a>
    </main>
  );
}
