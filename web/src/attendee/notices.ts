import type { DeliveredEvent } from "@konferenco/client";
import { signal, type ReadonlySignal } from "@preact/signals";
import { serverAddress } from "../common/api.ts";
import { keep, type Kept } from "../common/kept.ts";

/** What a person may be told of while they do not look at the page. */
export interface NoticeKinds {
  alerts: boolean;
  near: boolean;
}

export type Permission = "granted" | "denied" | "default" | "unavailable";

export interface Notices {
  kinds: Kept<NoticeKinds>;
  permission: ReadonlySignal<Permission>;
  /** Turns a kind on or off. Only here, after a click, the browser asks the person. */
  choose: (kind: keyof NoticeKinds, wanted: boolean) => Promise<void>;
  /** Told of every event; `speaks`: nobody looks at any tab, and it is this one's turn to say so. */
  note: (event: DeliveredEvent, speaks: boolean) => void;
}

/** Somebody who came near longer ago than this is perhaps no longer there: nothing to wake a person for. */
const NEAR_IS_NEWS_MS = 60_000;

export function openNotices(personId: string): Notices {
  const kinds = keep<NoticeKinds>(`konferenco.attendee.notices.${personId}`, { alerts: false, near: false });
  const permission = signal<Permission>(isAvailable() ? Notification.permission : "unavailable");
  return {
    kinds,
    permission,
    async choose(kind, wanted) {
      if (wanted && permission.value !== "unavailable") {
        permission.value = await Notification.requestPermission();
        await navigator.serviceWorker.register(serverAddress("notices.js"), { scope: serverAddress("attendee/").href });
      }
      kinds.change({ ...kinds.value.value, [kind]: wanted && permission.value === "granted" });
    },
    note(event, speaks) {
      if (!speaks || permission.value !== "granted") return;
      const notice = noticeOf(event, kinds.value.value, Date.now());
      if (notice !== null) void show(notice);
    },
  };
}

export interface Notice {
  title: string;
  body: string;
  /** A second one with the same tag takes the place of the first: however it came twice, it is seen once. */
  tag: string;
  /** Stays until the person has dealt with it. */
  stays: boolean;
}

/** What to tell, or null: a snapshot tells how things stand, which is no news. */
export function noticeOf(event: DeliveredEvent, kinds: NoticeKinds, nowMs: number): Notice | null {
  if (event.from === "snapshot") return null;
  if (event.t === "alert" && kinds.alerts) {
    const { title, text, alertId, severity } = event.d;
    return { title: severity === "info" ? title : `${severity === "emergency" ? "Emergency" : "Warning"}: ${title}`, body: text, tag: `alert ${alertId}`, stays: severity !== "info" };
  }
  if (event.t === "serendipity" && kinds.near && nowMs - event.at < NEAR_IS_NEWS_MS) {
    return { title: event.d.text, body: "", tag: `near ${event.d.subj.personId}`, stays: false };
  }
  if (event.t === "near" && kinds.near && event.d.subj.who === "person" && nowMs - event.at < NEAR_IS_NEWS_MS) {
    return { title: `${event.d.subj.name} is near you`, body: "", tag: `near ${event.d.subj.personId}`, stays: false };
  }
  return null;
}

function isAvailable(): boolean {
  return typeof Notification !== "undefined" && (navigator as Partial<Navigator>).serviceWorker !== undefined;
}

async function show({ title, body, tag, stays }: Notice): Promise<void> {
  const worker = await navigator.serviceWorker.ready;
  await worker.showNotification(title, { body, tag, requireInteraction: stays, icon: serverAddress("favicon.svg").href, data: { page: serverAddress("attendee/").href } });
}
