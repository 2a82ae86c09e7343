import { isLogged, type Alert, type StoredMessage, type UpdateId } from "@konferenco/protocol";
import type { Store } from "@konferenco/fusion";
import type { Viewer } from "./core/privacy-policy.ts";
import { projectUpdate } from "./core/privacy.ts";
import { openCursor, sealCursor } from "./cursor.ts";
import { eventRefOf } from "./keys.ts";
import type { PeopleCache } from "./people-cache.ts";
import { speakersOf } from "./update-feed.ts";

const PAGE = 1_000;
/** Of the log looked through for one page, about 50 ms; who has more to look through gets a shorter page and asks again. */
const MAX_SCAN = 20_000;

export interface SyncOptions {
  store: Store;
  people: PeopleCache;
  cursorKey: Uint8Array;
  eventRefKey: Uint8Array;
  nowMs: () => number;
}

export interface SyncQuery {
  subject: string;
  viewer: Viewer;
  /** `direct`, `alerts`, `app:…`. */
  channels: ReadonlySet<string>;
  from: string | null;
  /** Up to this place of an earlier answer; null: up to now. */
  until?: string | null;
  limit: number;
}

export interface SyncPage {
  found: { update: string; alert: Alert | null; message: StoredMessage | null }[];
  cursor: string;
  hasMore: boolean;
  gap: "retention" | "epoch" | null;
}

/** What a viewer may see of messages and alerts, read from the log under today's policies; positions are no part of it. */
export class Sync {
  readonly #options: SyncOptions;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  /** Null: the cursor is not this viewer's. */
  async page({ subject, viewer, channels, from, until = null, limit }: SyncQuery): Promise<SyncPage | null> {
    const { store, people, cursorKey, eventRefKey, nowMs } = this.#options;
    const place = from === null ? null : openCursor(cursorKey, subject, from);
    if (from !== null && place === null) return null;
    let after: UpdateId | null = place === null ? null : { epoch: place.epoch, offset: place.offset };
    const found: SyncPage["found"] = [];
    let gap: SyncPage["gap"] = null;
    let end = await store.end();
    const last = until === null ? null : openCursor(cursorKey, subject, until);
    if (until !== null && last?.epoch !== end.epoch) return null;
    const lastOffset = last?.offset ?? Infinity;
    let scanned = 0;
    while (found.length < limit && scanned < MAX_SCAN && (after?.offset ?? 0) < lastOffset) {
      const page = await store.readLog(after, PAGE);
      if (after !== null) gap ??= page.gap;
      end = page.end;
      if (page.updates.length === 0) {
        after = page.end;
        break;
      }
      await people.loadPeople(speakersOf(page.updates).filter((personId) => people.policyOf(personId) === null));
      for (const update of page.updates) {
        if (found.length >= limit || update.updateId.offset > lastOffset) break;
        after = update.updateId;
        scanned++;
        const { body } = update;
        if (!isLogged(body) || !isWanted(body, channels, viewer.personId)) continue;
        const ref = eventRefOf(eventRefKey, update.updateId.epoch, update.updateId.offset);
        if (projectUpdate(update, ref, people.holderOf, people.policyOf).forReplay(viewer, nowMs()) === null) continue;
        if (body.kind === "alert") found.push({ update: ref, alert: body.alert, message: null });
        if (body.kind === "message") found.push({ update: ref, alert: null, message: body.message });
      }
    }
    const at = after ?? end;
    return { found, cursor: sealCursor(cursorKey, subject, { ...at, atMs: nowMs() }), hasMore: at.offset < Math.min(end.offset, lastOffset), gap };
  }
}

function isWanted(body: { kind: string; message?: StoredMessage }, channels: ReadonlySet<string>, personId: string | null): boolean {
  if (body.kind === "alert") return channels.has("alerts");
  if (body.kind !== "message" || body.message === undefined) return false;
  const { to, from } = body.message;
  return to.kind === "channel" ? channels.has(to.id) : channels.has("direct") && personId !== null && (to.id === personId || from === personId);
}
