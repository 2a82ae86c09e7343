import type { PrivacyChange, PrivacySettings } from "@konferenco/client";
import { useState } from "preact/hooks";
import { clockTime, LEVEL_WORDS } from "../common/words.ts";
import type { LiveMe } from "./live-me.ts";
import { AUDIENCES } from "./privacy-card.tsx";
import type { Safety } from "./safety.ts";

/** Minutes for which one connection may see my precise place; the server allows two hours. */
const SHARE_MINUTES = [15, 30, 60, 120];

/** Over everything while it is so: that I am hidden, or who sees my exact spot by a share of mine, until when, and the way to end it. */
export function SafetyBar({ live: { safety, settings } }: { live: LiveMe }) {
  if (settings.value !== null && isHidden(settings.value)) {
    return (
      <div class="safety-bar" role="status" data-kind="hidden" data-testid="hidden-bar">
        <p>
          <b>You are hidden everywhere</b>
          <a href="#safety">Change</a>
        </p>
      </div>
    );
  }
  const shares = safety.viewers.value?.people.filter(({ untilMs }) => untilMs !== null) ?? [];
  if (shares.length === 0) return null;
  return (
    <div class="safety-bar" role="status" data-testid="share-bar">
      {shares.map(({ personId, name, untilMs }) => (
        <p key={personId}>
          <span>
            <b>{name}</b> sees your exact spot until {clockTime(untilMs ?? 0)}
          </span>
          <button type="button" class="button slim" onClick={() => safety.endShare(personId)}>
            End now
          </button>
        </p>
      ))}
    </div>
  );
}

/** What a person needs who does not feel safe, in the order of haste. */
export function SafetyCard({ live, hasConsent }: { live: LiveMe; hasConsent: boolean }) {
  const { safety } = live;
  const settings = live.settings.value;
  const fault = safety.fault.value;
  return (
    <section class="card my-safety" id="safety" aria-labelledby="safety-title">
      <div class="card-head">
        <h2 id="safety-title">My safety</h2>
      </div>
      {settings !== null && <HideEverywhere live={live} settings={settings} />}
      {fault !== null && (
        <p class="note bad" role="alert">
          {fault}
        </p>
      )}
      <SeenBy safety={safety} hasConsent={hasConsent} />
      {settings !== null && <ShareForm safety={safety} isHidden={settings.level === "hidden" || !hasConsent} />}
      <Blocked live={live} />
      <LookedUp safety={safety} />
    </section>
  );
}

/** One press, in force when the server has said so; how things were before is kept on this device for the way back. */
function HideEverywhere({ live, settings }: { live: LiveMe; settings: PrivacySettings }) {
  const before = live.beforeHiding.value.value;
  if (isHidden(settings)) {
    const comeBack = (): void => {
      live.change(before ?? { preset: "balanced" });
      live.beforeHiding.change(null);
    };
    return (
      <div class="hidden-now" role="status" data-testid="hidden-now">
        <p>
          <b>You are hidden everywhere.</b> Nobody sees you, not even staff. You still see yourself on this page.
        </p>
        <button type="button" class="button" onClick={comeBack}>
          {before === null ? "Show me again" : "Show me again as before"}
        </button>
      </div>
    );
  }
  const hide = (): void => {
    const { level, audiences, discoverability, proximityAlerts, presence } = settings;
    live.beforeHiding.change({ level, audiences, discoverability, proximityAlerts, presence } satisfies PrivacyChange);
    live.change({ preset: "high" });
  };
  const isHiding = live.hiding.value;
  return (
    <div class="hide-now">
      <button type="button" class="button danger" disabled={isHiding} onClick={hide} data-testid="panic">
        {isHiding ? (live.link.state.value.kind === "live" ? "Hiding you…" : "Not hidden yet: waiting for the connection") : "Hide me everywhere now"}
      </button>
      <p class="muted small">At once, from everybody, staff too; what you share ends. Nobody is told.</p>
    </div>
  );
}

function isHidden({ level, discoverability, presence }: PrivacySettings): boolean {
  return level === "hidden" && discoverability === "hidden" && !presence.online;
}

/** Not what was chosen, but what comes of all choices together. */
function SeenBy({ safety, hasConsent }: { safety: Safety; hasConsent: boolean }) {
  const viewers = safety.viewers.value;
  if (viewers === null) return null;
  const seeing = viewers.audiences.filter(({ level }) => level !== "hidden");
  const named = viewers.people.toSorted((a, b) => a.name.localeCompare(b.name));
  return (
    <div>
      <h3 class="group-name">Who can see me now</h3>
      <ul class="facts" data-testid="viewers">
        {seeing.length + named.length === 0 && <li class="muted">{hasConsent ? "Nobody." : "Nobody: you have not allowed the event to use your location."}</li>}
        {named.map(({ personId, name, level, untilMs }) => (
          <li key={personId}>
            <b>{name}</b>
            <span class="muted">
              {LEVEL_WORDS[level].short}
              {untilMs === null ? "" : ` until ${clockTime(untilMs)}`}
            </span>
          </li>
        ))}
        {AUDIENCES.flatMap(({ audience, word }) => {
          const level = seeing.find((candidate) => candidate.audience === audience)?.level;
          // Connections stand there by name.
          return level === undefined || audience === "connections" ? [] : [
            <li key={audience}>
              <span>{word}</span>
              <span class="muted">{LEVEL_WORDS[level].short}</span>
            </li>,
          ];
        })}
      </ul>
    </div>
  );
}

function ShareForm({ safety, isHidden: hidden }: { safety: Safety; isHidden: boolean }) {
  const [personId, setPersonId] = useState("");
  const [minutes, setMinutes] = useState(60);
  const viewers = safety.viewers.value;
  if (viewers === null) return null;
  const sharing = new Set(viewers.people.filter(({ untilMs }) => untilMs !== null).map((person) => person.personId));
  const others = viewers.connections.filter((person) => !sharing.has(person.personId)).toSorted((a, b) => a.name.localeCompare(b.name));
  const share = (event: Event): void => {
    event.preventDefault();
    safety.share(personId, minutes);
    setPersonId("");
  };
  return (
    <div>
      <h3 class="group-name">Show one person my exact spot</h3>
      {hidden ? (
        <p class="muted small">While you are hidden, nothing can be shown to anybody.</p>
      ) : others.length === 0 ? (
        <p class="muted small">{sharing.size > 0 ? "All your connections see it already." : "You have no connections yet: people who are connected with you on both sides."}</p>
      ) : (
        <form class="share-form" onSubmit={share}>
          <select class="input" aria-label="To whom" value={personId} onChange={(event) => setPersonId(event.currentTarget.value)}>
            <option value="">Choose a connection</option>
            {others.map((person) => (
              <option key={person.personId} value={person.personId}>
                {person.name}
              </option>
            ))}
          </select>
          <select class="input" aria-label="For how long" value={minutes} onChange={(event) => setMinutes(Number(event.currentTarget.value))}>
            {SHARE_MINUTES.map((choice) => (
              <option key={choice} value={choice}>
                {choice < 60 ? `${choice} min` : `${choice / 60} h`}
              </option>
            ))}
          </select>
          <button class="button" disabled={personId === ""}>
            Show
          </button>
        </form>
      )}
    </div>
  );
}

function Blocked({ live: { safety, state } }: { live: LiveMe }) {
  const viewers = safety.viewers.value;
  if (viewers === null) return null;
  const names = safety.blockedNames.value.value;
  const known = new Map([...viewers.connections, ...state.value.near, ...state.value.nearby].map(({ personId, name }) => [personId, name]));
  const others = [...known].filter(([personId]) => !viewers.blocked.includes(personId)).toSorted(([, a], [, b]) => a.localeCompare(b));
  return (
    <div>
      <h3 class="group-name">Blocked people</h3>
      <ul class="facts" data-testid="blocked">
        {viewers.blocked.length === 0 && <li class="muted">Nobody. Who is blocked and you see nothing of each other, anywhere; they are not told.</li>}
        {viewers.blocked.map((personId) => (
          <li key={personId}>
            <b>{names[personId] ?? personId}</b>
            <button type="button" class="button quiet slim" onClick={() => safety.unblock(personId)}>
              Unblock
            </button>
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <select class="input" aria-label="Block somebody" value="" onChange={(event) => safety.block(event.currentTarget.value, known.get(event.currentTarget.value) ?? "")}>
          <option value="">Block somebody…</option>
          {others.map(([personId, name]) => (
            <option key={personId} value={personId}>
              {name}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

function LookedUp({ safety }: { safety: Safety }) {
  const lookups = safety.lookups.value;
  if (lookups === null) return null;
  return (
    <div>
      <h3 class="group-name">Who of the staff looked me up</h3>
      <ul class="facts" data-testid="lookups">
        {lookups.length === 0 && <li class="muted">Nobody.</li>}
        {lookups.map(({ atMs, by, what, reason }) => (
          <li key={`${atMs} ${by}`} class="lookup">
            <span>
              <b>{by.replace(/^login:/, "")}</b> looked up {what === "whereabouts" ? "where you are" : "your profile"}
              {reason !== "" && <span class="muted small">“{reason}”</span>}
            </span>
            <time class="muted small">{clockTime(atMs)}</time>
          </li>
        ))}
      </ul>
    </div>
  );
}
