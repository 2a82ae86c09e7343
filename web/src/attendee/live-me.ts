import type { ClientEvent, PrivacyChange, PrivacySettings } from "@konferenco/client";
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
  /** Channels of places that I have joined in this tab, by their ids. */
  joined: Signal<ReadonlyMap<string, Membership>>;
  /** Whether I join what a place suggests. */
  joinsAlone: Kept<boolean>;
  join: (channelId: string) => void;
  leave: (channelId: string) => void;
  useMap: (map: FloorMap | null) => void;
  close: () => void;
}

/** `people`: who let themselves be counted there; null: not known yet. */
export interface Membership {
  name: string;
  people: number | null;
}

export function openLiveMe(session: Session, onEnded: (message: string) => void): LiveMe {
  const state = signal(newMyState());
  const saving = signal<Saving>({ kind: "idle" });
  const onTheirWay = signal<readonly PrivacyChange[]>([]);
  const personId = session.personId ?? "";
  const notices = openNotices(personId);
  const joined = signal<ReadonlyMap<string, Membership>>(new Map());
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
        noteMembers(event);
        show(noteMyEvent(state.value, event, Date.now()));
        notices.note(event, link.client.speaks());
      },
      onSnapshot(channel, events) {
        events.forEach(noteMembers);
        // What the snapshot does not hold is not so any more.
        const before = channel === "me" ? { ...state.value, place: null, activity: null } : channel === "nearby" ? { ...state.value, nearby: [], channels: [] } : state.value;
        show(events.reduce((next, event) => noteMyEvent(next, event, Date.now()), before));
      },
      onForget: (subject) => show(forgetPerson(state.value, subject, session.personId)),
    },
    onEnded,
  );

  const setMembership = (channelId: string, membership: Membership | null): void => {
    const next = new Map(joined.value);
    if (membership === null) next.delete(channelId);
    else next.set(channelId, membership);
    joined.value = next;
  };
  function noteMembers(event: ClientEvent): void {
    if (event.t !== "presence" || event.d.ch === undefined) return;
    const channelId = event.d.ch.slice("app:".length);
    const membership = joined.value.get(channelId);
    if (membership !== undefined) setMembership(channelId, { ...membership, people: event.d.count });
  }

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
    joined,
    joinsAlone: keep(`konferenco.attendee.joins.${personId}`, false),
    join(channelId) {
      if (joined.value.has(channelId)) return;
      setMembership(channelId, { name: state.value.channels.find((channel) => channel.channelId === channelId)?.name ?? channelId, people: null });
      link.client.subscribe({ ch: `app:${channelId}` }).catch(() => setMembership(channelId, null));
    },
    leave(channelId) {
      setMembership(channelId, null);
      void link.client.unsubscribe(`app:${channelId}`).catch(() => {});
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

function withChange(settings: PrivacySettings, { audiences, presence, ...rest }: PrivacyChange): PrivacySettings {
  const given = <T extends object>(part: T): T => Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as T;
  return { ...settings, ...given(rest), audiences: { ...settings.audiences, ...given(audiences ?? {}) }, presence: { ...settings.presence, ...given(presence ?? {}) } } as PrivacySettings;
}
