import type { PrivacyChange, PrivacySettings } from "@konferenco/client";
import type { Session } from "@konferenco/protocol";
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { inWords } from "../common/api.ts";
import { keep, type Kept } from "../common/kept.ts";
import { openLiveLink, type LiveLink } from "../common/live-link.ts";
import type { FloorMap } from "../map/floor-map.ts";
import { forgetPerson, newMyState, noteMyEvent, type MyState } from "./my-place.ts";
import { openNotices, type Notices } from "./notices.ts";

/** How the last change of a setting stands. */
export type Saving = { kind: "idle" } | { kind: "saving" } | { kind: "saved" } | { kind: "failed"; message: string };

export interface LiveMe {
  link: LiveLink;
  state: Signal<MyState>;
  /** What the controls show: the server's settings and the changes on their way to it. */
  settings: ReadonlySignal<PrivacySettings | null>;
  saving: Signal<Saving>;
  change: (change: PrivacyChange) => void;
  notices: Notices;
  /** Ids of the alerts that were read. */
  read: Kept<readonly string[]>;
  useMap: (map: FloorMap | null) => void;
  close: () => void;
}

export function openLiveMe(session: Session, onEnded: (message: string) => void): LiveMe {
  const state = signal(newMyState());
  const saving = signal<Saving>({ kind: "idle" });
  const onTheirWay = signal<readonly PrivacyChange[]>([]);
  const personId = session.personId ?? "";
  const notices = openNotices(personId);
  let map: FloorMap | null = null;

  const show = (next: MyState): void => {
    const zoneChanged = next.place?.zoneId !== state.value.place?.zoneId;
    state.value = next;
    map?.changed({ still: zoneChanged });
  };
  const link: LiveLink = openLiveLink(
    session,
    [{ ch: "me" }, { ch: "nearby" }, { ch: "alerts" }],
    {
      onEvent(event) {
        show(noteMyEvent(state.value, event, Date.now()));
        notices.note(event, link.client.speaks());
      },
      onSnapshot(channel, events) {
        // What the snapshot does not hold is not so any more.
        const before = channel === "me" ? { ...state.value, place: null } : channel === "nearby" ? { ...state.value, nearby: [] } : state.value;
        show(events.reduce((next, event) => noteMyEvent(next, event, Date.now()), before));
      },
      onForget: (subject) => show(forgetPerson(state.value, subject, session.personId)),
    },
    onEnded,
  );

  const stopPresence = followAttention(link);

  return {
    link,
    state,
    saving,
    notices,
    read: keep<readonly string[]>(`konferenco.attendee.read.${personId}`, []),
    settings: computed(() => (state.value.settings === null ? null : onTheirWay.value.reduce(withChange, state.value.settings))),
    change(change) {
      onTheirWay.value = [...onTheirWay.value, change];
      saving.value = { kind: "saving" };
      const arrived = (): void => {
        onTheirWay.value = onTheirWay.value.filter((other) => other !== change);
      };
      link.client.setPrivacy(change).then(
        () => {
          // The server's own word follows as an event; until then this is what it has stored.
          if (state.value.settings !== null) state.value = { ...state.value, settings: withChange(state.value.settings, change) };
          arrived();
          if (onTheirWay.value.length === 0) saving.value = { kind: "saved" };
        },
        (error: unknown) => {
          arrived();
          saving.value = { kind: "failed", message: inWords(error) };
        },
      );
    },
    useMap: (next) => (map = next),
    close() {
      stopPresence();
      link.close();
    },
  };
}

/** A page that is out of sight for this long is not merely being passed over for another tab. */
const AWAY_AFTER_MS = 3_000;

/** Who looks at no tab of this page is away; whether others see that is under privacy. */
function followAttention({ client }: LiveLink): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    clearTimeout(timer);
    const say = (presence: "online" | "away"): void => void client.setPresence(presence).catch(() => {});
    if (document.visibilityState === "visible") say("online");
    else timer = setTimeout(() => say("away"), AWAY_AFTER_MS);
  };
  document.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

function withChange(settings: PrivacySettings, { audiences, ...rest }: PrivacyChange): PrivacySettings {
  const given = <T extends object>(part: T): T => Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as T;
  return { ...settings, ...given(rest), audiences: { ...settings.audiences, ...given(audiences ?? {}) } } as PrivacySettings;
}
