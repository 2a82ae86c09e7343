/** A message that waits for the server, as it is kept. */
export interface QueuedMessage {
  /** The sender's own: the server knows a message by it and takes it once. */
  key: string;
  t: string;
  ch?: string;
  to?: string;
  body: Readonly<Record<string, unknown>>;
  priority: MessagePriority;
  ttlS?: number;
  writtenAtMs: number;
  /** When it first left; null: it never did. After that the server may have it, though no answer came. */
  sentAtMs: number | null;
}

export type MessagePriority = "low" | "normal" | "high" | "critical";

/** Where waiting messages survive the page. A failure to keep one costs its survival, not its sending. */
export interface OutboxStore {
  load(): Promise<QueuedMessage[]>;
  put(message: QueuedMessage): Promise<void>;
  remove(key: string): Promise<void>;
}

/** For Node, and for pages whose browser gives no storage: as long as the process. */
export function memoryOutbox(): OutboxStore {
  const kept = new Map<string, QueuedMessage>();
  return {
    load: () => Promise.resolve([...kept.values()]),
    put: (message) => Promise.resolve(void kept.set(message.key, message)),
    remove: (key) => Promise.resolve(void kept.delete(key)),
  };
}

const TABLE = "messages";

/**
 * In the browser's IndexedDB. Make `key` of who is logged in: a message goes out under the login of the page that
 * sends it. Where there is none (private windows of some browsers) it is the memory.
 */
export function browserOutbox(key: string): OutboxStore {
  if (typeof indexedDB === "undefined") return memoryOutbox();
  let opened: Promise<IDBDatabase> | null = null;
  const database = (): Promise<IDBDatabase> =>
    (opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(`konferenco outbox ${key}`, 1);
      request.addEventListener("upgradeneeded", () => request.result.createObjectStore(TABLE, { keyPath: "key" }));
      request.addEventListener("success", () => resolve(request.result));
      request.addEventListener("error", () => reject(request.error as DOMException));
    }));
  const run = async <T>(mode: IDBTransactionMode, ask: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const transaction = (await database()).transaction(TABLE, mode);
    return new Promise((resolve, reject) => {
      const request = ask(transaction.objectStore(TABLE));
      // Kept when the transaction is, not when the request is.
      transaction.addEventListener("complete", () => resolve(request.result));
      transaction.addEventListener("abort", () => reject(transaction.error as DOMException));
    });
  };
  return {
    load: () => run("readonly", (table) => table.getAll() as IDBRequest<QueuedMessage[]>),
    put: async (message) => void (await run("readwrite", (table) => table.put(message))),
    remove: (messageKey) => run("readwrite", (table) => table.delete(messageKey)),
  };
}
