import { createHmac } from "node:crypto";
import { StoreUnavailable, type LoggedBody, type Position, type StoredMessage } from "@konferenco/protocol";
import { personSubject, tagSubject, type KeyRing, type SubjectKey } from "./key-ring.ts";
import type { CommitBatch } from "./store.ts";

/** What of a batch goes into the log, in the order in which followers see it. */
export function loggedBodies(batch: CommitBatch, isNewAlert: (alertId: string) => boolean, isNewMessage: (message: StoredMessage) => boolean): LoggedBody[] {
  const bodies: LoggedBody[] = [];
  for (const alert of batch.alerts) if (isNewAlert(alert.alertId)) bodies.push({ kind: "alert", alert });
  for (const message of batch.messages ?? []) if (isNewMessage(message)) bodies.push({ kind: "message", message });
  for (const zone of batch.zoneTransitions) bodies.push({ kind: "zone", zone });
  for (const proximity of batch.proximityTransitions) bodies.push({ kind: "proximity", proximity });
  return bodies;
}

/** The batch without what is about the erased: nothing of them is kept, though their tags are still worn. */
export function withoutErased(batch: CommitBatch, keys: KeyRing): CommitBatch {
  const isKept = (tagId: string) => keys.keyFor(tagSubject(tagId)) !== null;
  const isSaid = (message: StoredMessage) => speakersOf(message).every((subject) => keys.keyFor(subject) !== null);
  const zoneTransitions = keptOf(batch.zoneTransitions, ({ tagId }) => isKept(tagId));
  const proximityTransitions = keptOf(batch.proximityTransitions, ({ tagA, tagB }) => isKept(tagA) && isKept(tagB));
  const positions = keptOf(batch.positions, ({ tagId }) => isKept(tagId));
  const messages = keptOf(batch.messages ?? [], isSaid);
  const signals = keptOf(batch.signals ?? [], (signal) => signal.kind !== "said" || isSaid(signal.message));
  return { ...batch, zoneTransitions, proximityTransitions, positions, messages, signals };
}

/** The list itself when all of it stays, which is the rule. */
function keptOf<T>(list: T[], isKept: (item: T) => boolean): T[] {
  return list.every(isKept) ? list : list.filter(isKept);
}

/** Whose keys a logged body is sealed with; none: it is about nobody. */
export function handlesOf(body: LoggedBody, keys: KeyRing): string[] {
  return subjectsOf(body).map((subject) => keyOf(subject, keys).handle);
}

function subjectsOf(body: LoggedBody): string[] {
  if (body.kind === "zone") return [tagSubject(body.zone.tagId)];
  if (body.kind === "proximity") return [tagSubject(body.proximity.tagA), tagSubject(body.proximity.tagB)];
  return body.kind === "message" ? speakersOf(body.message) : [];
}

/** A message belongs to who said it, and to the one person it was said to. */
export function speakersOf({ from, to }: StoredMessage): string[] {
  return to.kind === "user" && to.id !== from ? [personSubject(from), personSubject(to.id)] : [personSubject(from)];
}

/** Of a subject that `withoutErased` has let through. */
export function keyOf(subject: string, keys: KeyRing): SubjectKey {
  const key = keys.keyFor(subject);
  if (key === null) throw new StoreUnavailable("somebody was erased while what is about them was stored");
  return key;
}

/** By which a message that is sent again is known: the sender's own key of it, readable by nobody. */
export function keyIdOf({ from, key }: StoredMessage, keys: KeyRing): string | null {
  return key === null ? null : keyIdBy(keyOf(personSubject(from), keys), key);
}

/** The same of somebody who may never have said anything; null: then they have not. */
export function knownKeyId(from: string, key: string, keys: KeyRing): string | null {
  const sender = keys.held(personSubject(from));
  return sender === null ? null : keyIdBy(sender, key);
}

function keyIdBy(sender: SubjectKey, key: string): string {
  return `${sender.handle}:${createHmac("sha256", sender.bytes).update(key).digest("base64url").slice(0, 22)}`;
}

/** Bodies are JSON in both adapters, and JSON has no NaN: a position with one is a bug of fusion's, and nothing of it is stored. */
export function assertStorable(batch: CommitBatch): void {
  for (const position of batch.positions) if (!isFinitePosition(position)) throw new TypeError(`the position of tag "${position.tagId}" holds a number that is not finite: ${JSON.stringify(position)}`);
  for (const zone of batch.zoneTransitions) if (!Number.isFinite(zone.atMs)) throw new TypeError(`the zone transition of tag "${zone.tagId}" has no finite time`);
}

function isFinitePosition(position: Position): boolean {
  return (
    Number.isFinite(position.xM) &&
    Number.isFinite(position.yM) &&
    Number.isInteger(position.floor) &&
    Number.isFinite(position.atMs) &&
    Number.isFinite(position.vxMps) &&
    Number.isFinite(position.vyMps) &&
    Number.isFinite(position.accuracy95M) &&
    Number.isFinite(position.confidence)
  );
}
