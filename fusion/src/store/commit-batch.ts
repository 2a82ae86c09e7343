import type { LoggedBody, Position, StoredMessage } from "@konferenco/protocol";
import type { CommitBatch } from "./store.ts";

/** What of a batch goes into the log, in the order in which followers see it. */
export function loggedBodies(batch: CommitBatch, isNewAlert: (alertId: string) => boolean, isNewMessage: (keyId: string) => boolean): LoggedBody[] {
  const bodies: LoggedBody[] = [];
  for (const alert of batch.alerts) if (isNewAlert(alert.alertId)) bodies.push({ kind: "alert", alert });
  for (const message of batch.messages ?? []) {
    const keyId = keyIdOf(message);
    if (keyId === null || isNewMessage(keyId)) bodies.push({ kind: "message", message });
  }
  for (const zone of batch.zoneTransitions) bodies.push({ kind: "zone", zone });
  for (const proximity of batch.proximityTransitions) bodies.push({ kind: "proximity", proximity });
  return bodies;
}

/** By which a message that is sent again is known: the sender's key, in the sender's own space of keys. */
export function keyIdOf({ from, key }: StoredMessage): string | null {
  return key === null ? null : JSON.stringify([from, key]);
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
