interface Enqueued {
  clientId: string;
}

/** The part of aedes-persistence that is bounded here. */
interface SessionStore {
  outgoingEnqueueCombi(subscriptions: Enqueued[], packet: object): Promise<void>;
  outgoingClearMessageId(client: { id: string }, packet: object): Promise<object | undefined>;
}

/**
 * Puts a bound on what is kept for persistent sessions: aedes' memory persistence queued 51,200 messages
 * for one absent subscriber and would have gone on. At the bound new messages are dropped for that
 * session only; a connected client that never acknowledges is closed by aedes at the same point.
 */
export function boundSessions(store: SessionStore, maxQueued: number, onDropped: (clientId: string) => void): void {
  const queued = new Map<string, number>();
  const enqueue = store.outgoingEnqueueCombi.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);

  store.outgoingEnqueueCombi = (subscriptions, packet) => {
    const withRoom = subscriptions.filter(({ clientId }) => {
      const count = queued.get(clientId) ?? 0;
      if (count >= maxQueued) {
        onDropped(clientId);
        return false;
      }
      queued.set(clientId, count + 1);
      return true;
    });
    return enqueue(withRoom, packet);
  };

  store.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet);
    if (cleared !== undefined) {
      const count = (queued.get(client.id) ?? 1) - 1;
      if (count > 0) queued.set(client.id, count);
      else queued.delete(client.id);
    }
    return cleared;
  };
}
