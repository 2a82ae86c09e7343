import type { Level, PrivacySettings } from "@konferenco/client";
import type { Audience, Consent, Session } from "@konferenco/protocol";
import { useState } from "preact/hooks";
import { callApi, inWords } from "../common/api.ts";
import { LEVEL_WORDS } from "../common/words.ts";
import type { LiveMe } from "./live-me.ts";

const LEVELS: Level[] = ["precise", "zone", "venue", "hidden"];
const COARSE_TO_FINE: Level[] = ["hidden", "venue", "zone", "precise"];

const AUDIENCES: { audience: Audience; word: string; who: string }[] = [
  { audience: "connections", word: "My connections", who: "people who are connected with you on both sides" },
  { audience: "attendees", word: "Other attendees", who: "everybody who takes part" },
  { audience: "speakers", word: "Speakers", who: "people who speak at the event" },
  { audience: "exhibitors", word: "Exhibitors", who: "people at the stands" },
  { audience: "staff", word: "Venue staff", who: "the organisers" },
];

const FINDABLE: { value: PrivacySettings["discoverability"]; word: string }[] = [
  { value: "public", word: "Everybody" },
  { value: "requests", word: "Everybody, but they must ask first" },
  { value: "connections", word: "My connections only" },
  { value: "hidden", word: "Nobody" },
];

/** Names the sentence beside the switch: whoever agrees has agreed to this wording. */
const CONSENT_VERSION = "page-1";

interface PrivacyCardProps {
  live: LiveMe;
  session: Session;
  consent: boolean;
  onConsent: (given: boolean) => void;
}

export function PrivacyCard({ live, session, consent, onConsent }: PrivacyCardProps) {
  const settings = live.settings.value;
  return (
    <section class="card my-privacy" id="privacy" aria-labelledby="privacy-title">
      <div class="card-head">
        <h2 id="privacy-title">My privacy</h2>
        <SavedWord live={live} />
      </div>
      <ConsentSwitch session={session} consent={consent} onConsent={onConsent} />
      {settings === null ? (
        <p class="muted">Loading your settings…</p>
      ) : (
        <fieldset class="my-settings" disabled={!consent}>
          <LevelChoice settings={settings} onChange={(level) => live.change({ level })} />
          <WhoSeesMe settings={settings} consent={consent} onChange={(audience, level) => live.change({ audiences: { [audience]: level } })} />
          <div class="field">
            <label for="findable">Who finds me among people nearby</label>
            <select
              id="findable"
              class="input"
              value={settings.discoverability}
              onChange={(event) => live.change({ discoverability: event.currentTarget.value as PrivacySettings["discoverability"] })}
            >
              {FINDABLE.map(({ value, word }) => (
                <option key={value} value={value} selected={value === settings.discoverability}>
                  {word}
                </option>
              ))}
            </select>
          </div>
          <label class="switch">
            <span>Tell me when somebody comes near</span>
            <input type="checkbox" role="switch" checked={settings.proximityAlerts} onChange={(event) => live.change({ proximityAlerts: event.currentTarget.checked })} />
            <span class="muted small">Only among people who both have this on and show each other their area or spot.</span>
          </label>
          <label class="switch">
            <span>Show what I am doing</span>
            <input type="checkbox" role="switch" checked={settings.presence.session} onChange={(event) => live.change({ presence: { session: event.currentTarget.checked } })} />
            <span class="muted small">Such as the session that you sit in, to whoever may see your area; to nobody more.</span>
          </label>
          <label class="switch">
            <span>Do not disturb</span>
            <input type="checkbox" role="switch" checked={settings.doNotDisturb} onChange={(event) => live.change({ doNotDisturb: event.currentTarget.checked })} />
            <span class="muted small">Nobody's coming near is announced to you. Alerts from the venue still arrive.</span>
          </label>
        </fieldset>
      )}
    </section>
  );
}

/** "Saved" stands there only after the server has said so. */
function SavedWord({ live }: { live: LiveMe }) {
  const saving = live.saving.value;
  const isLive = live.link.state.value.kind === "live";
  const word = {
    idle: "",
    saving: isLive ? "Saving…" : "Not saved yet: waiting for the connection",
    saved: "✓ Saved",
    failed: saving.kind === "failed" ? `Not saved. ${saving.message}` : "",
  }[saving.kind];
  return (
    <span class="saved small" role="status" data-kind={saving.kind} data-testid="saved">
      {word}
    </span>
  );
}

function ConsentSwitch({ session, consent, onConsent }: Omit<PrivacyCardProps, "live">) {
  const [wanted, setWanted] = useState<boolean | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const change = async (given: boolean): Promise<void> => {
    setWanted(given);
    setFault(null);
    try {
      const answer = await callApi<Consent>("me/consent", { method: "PUT", token: session.token, body: { given, version: CONSENT_VERSION } });
      onConsent(answer.given);
    } catch (error) {
      setFault(`Not saved. ${inWords(error)}`);
    } finally {
      setWanted(null);
    }
  };
  return (
    <div>
      <label class="switch">
        <span>The event may use my location</span>
        <input type="checkbox" role="switch" checked={wanted ?? consent} disabled={wanted !== null} onChange={(event) => void change(event.currentTarget.checked)} data-testid="consent" />
        <span class="muted small">Without this, nothing about you is shown to anybody. You can take it back at any time.</span>
      </label>
      {fault !== null && (
        <p class="note bad" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}

function LevelChoice({ settings, onChange }: { settings: PrivacySettings; onChange: (level: Level) => void }) {
  return (
    <fieldset class="levels">
      <legend class="label">How much of my place others may see at most</legend>
      {LEVELS.map((level) => (
        <label key={level} class="level">
          <input type="radio" name="level" value={level} checked={settings.level === level} onChange={() => onChange(level)} />
          <span>
            <b>{LEVEL_WORDS[level].name}</b>
            <span class="muted small">{LEVEL_WORDS[level].sentence}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Who can see me: a choice per audience and, where the level above allows less, what they see in fact. */
function WhoSeesMe({ settings, consent, onChange }: { settings: PrivacySettings; consent: boolean; onChange: (audience: Audience, level: Level) => void }) {
  return (
    <div>
      <p class="label">Who can see me</p>
      <ul class="audiences" data-testid="who-sees-me">
        {AUDIENCES.map(({ audience, word, who }) => {
          const chosen = settings.audiences[audience];
          const seen = consent ? coarser(chosen, settings.level) : "hidden";
          return (
            <li key={audience}>
              <label for={`audience-${audience}`}>
                {word}
                <span class="muted small">
                  {seen === chosen ? who : `see ${LEVEL_WORDS[seen].short}: limited by your choice above`}
                </span>
              </label>
              <select id={`audience-${audience}`} class="input" value={chosen} onChange={(event) => onChange(audience, event.currentTarget.value as Level)}>
                {LEVELS.map((level) => (
                  <option key={level} value={level} selected={level === chosen}>
                    {LEVEL_WORDS[level].name}
                  </option>
                ))}
              </select>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function coarser(a: Level, b: Level): Level {
  return COARSE_TO_FINE.indexOf(a) <= COARSE_TO_FINE.indexOf(b) ? a : b;
}
