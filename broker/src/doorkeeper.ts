import { randomUUID } from "node:crypto";
import type { AedesOptions, Client, PublishPacket } from "aedes";
import type { RefusalCode } from "@konferenco/protocol";
import { checkPublish, checkSubscribe, isOwnClientId, mayReceive, nameOf, type Principal } from "./acl.ts";
import type { BrokerLimits } from "./config.ts";
import type { LoginBook } from "./credentials.ts";
import type { Ledger } from "./ledger.ts";
import { Refused, type ConnackCode } from "./refusal.ts";

/** A message that passed the access rules. `payload` is a view of the read buffer: copy what is kept for long. */
export interface Ingested {
  topic: string;
  payload: Uint8Array;
  qos: 0 | 1 | 2;
  principal: Principal;
  receivedAtMs: number;
}

/**
 * Takes messages in process, before any subscriber. QoS 0: called and not awaited. QoS 1 and 2: awaited before
 * the acknowledgement; a rejection means no acknowledgement and a closed connection, so the sender sends again.
 * A QoS 2 message that is sent again comes here again: the receiver drops the second by its id.
 */
export type IngestHandler = (message: Ingested) => void | Promise<void>;

export interface Session {
  address: string;
  transport: "tcp" | "ws";
  principal: Principal | null;
  will: PublishPacket | null;
  keepaliveS: number;
  userName: string;
  /** Acknowledgements leave in the order of the messages [MQTT-4.6.0-2]: each waits for the one before. */
  acks: Promise<void>;
  acksWaiting: number;
  /** Why the connection ended, for the log. */
  lostBecause: string;
}

type AuthenticateHandler = NonNullable<AedesOptions["authenticate"]>;

export interface Doorkeeper {
  sessions: WeakMap<Client, Session>;
  hooks: Required<Pick<AedesOptions, "preConnect" | "authenticate" | "authorizePublish" | "authorizeSubscribe" | "authorizeForward">>;
  ingest(message: Ingested): void | Promise<void>;
  attach: (handler: IngestHandler) => void;
  /** From now on no last will is published: when the broker stops, the gateways are not gone. */
  stop(): void;
}

export interface DoorkeeperOptions {
  logins: LoginBook;
  limits: BrokerLimits;
  ledger: Ledger;
  nowMs: () => number;
  /** Where the connection under an aedes client comes from. */
  arrivalOf: (client: Client) => { address: string; transport: "tcp" | "ws" };
}

/** The five questions that aedes asks, answered by the login book and the access rules. */
export function newDoorkeeper({ logins, limits, ledger, nowMs, arrivalOf }: DoorkeeperOptions): Doorkeeper {
  const sessions = new WeakMap<Client, Session>();
  let handler: IngestHandler | null = null;
  let stopped = false;

  function count(session: Session, code: RefusalCode, detail: string): void {
    ledger.refuse(code, session.principal === null ? session.address : session.userName, detail);
  }

  /** Counts a refusal that closes the connection: 3.1.1 has no other way to tell a publisher [MQTT-3.3.5-2]. */
  function refuse(session: Session, code: RefusalCode, detail: string, returnCode: ConnackCode = 5): Refused {
    count(session, code, detail);
    session.lostBecause = code;
    return new Refused(code, detail, returnCode);
  }

  async function login(session: Session, clientId: string, password: Uint8Array): Promise<Refused | null> {
    if (session.keepaliveS === 0 || session.keepaliveS > limits.maxKeepaliveS) {
      // mosquitto answers 2 as well (max_keepalive); 3.1.1 has no code of its own for it.
      return refuse(session, "KEEPALIVE_TOO_LONG", `keep-alive ${session.keepaliveS} s, wanted 1-${limits.maxKeepaliveS} s`, 2);
    }
    if (session.userName === "") return refuse(session, "LOGIN_UNKNOWN", "no user name: gateways log in with their gatewayId, applications with their name", 4);
    if (!isOwnClientId(session.userName, clientId)) {
      return refuse(session, "CLIENT_ID_FOREIGN", `client id "${clientId.slice(0, 80)}" must be the user name "${session.userName.slice(0, 64)}" or begin with it and "/"`, 2);
    }
    const answer = await logins.check(session.userName, password);
    if (answer.kind === "busy") return refuse(session, "CONNECTION_LIMIT", "too many first logins at once, come back later", 3);
    if (answer.kind === "unknown") return refuse(session, "LOGIN_UNKNOWN", `wrong user name or password (user name "${session.userName.slice(0, 64)}")`, 4);
    if (session.will !== null) {
      const verdict = checkPublish(answer.principal, session.will.topic, session.will.retain);
      if (!verdict.ok) return refuse(session, verdict.code, `last will: ${verdict.detail}`);
    }
    session.principal = answer.principal;
    return null;
  }

  async function answerLogin(session: Session, clientId: string, password: Uint8Array, done: Parameters<AuthenticateHandler>[3]): Promise<void> {
    let refused: Refused | null;
    try {
      refused = await login(session, clientId, password);
    } catch (error) {
      ledger.logSometimes("login", { event: "broker.login-failed", detail: error instanceof Error ? error.message : String(error) });
      refused = new Refused("CONNECTION_LIMIT", "the login could not be checked", 3);
    }
    done(refused, refused === null);
  }

  function ingest(message: Ingested): void | Promise<void> {
    ledger.received += 1;
    return handler?.(message);
  }

  function fail(error: unknown): void {
    ledger.handlerFailures += 1;
    ledger.logSometimes("ingest", { event: "broker.ingest-failed", detail: error instanceof Error ? error.message : String(error) });
  }

  return {
    sessions,
    ingest,
    attach(next) {
      if (handler !== null) throw new Error("a handler is attached to this broker already");
      handler = next;
    },
    stop() {
      stopped = true;
    },
    hooks: {
      preConnect(client, packet, done) {
        const userName = packet.username ?? "";
        // An empty client id asks for one [MQTT-3.1.3-6]; ours is under the user name. Without a clean session it is refused below [MQTT-3.1.3-8].
        if (packet.clientId === "" && packet.clean !== false) packet.clientId = `${userName}/${randomUUID()}`;
        sessions.set(client, {
          ...arrivalOf(client),
          principal: null,
          will: (packet.will as PublishPacket | undefined) ?? null,
          keepaliveS: packet.keepalive ?? 0,
          userName,
          acks: Promise.resolve(),
          acksWaiting: 0,
          lostBecause: "closed",
        });
        done(null, true);
      },

      authenticate(client, _userName, password, done) {
        const session = sessions.get(client) as Session; // set in preConnect, which always comes first
        void answerLogin(session, client.id, password ?? Buffer.alloc(0), done);
      },

      authorizePublish(client, packet, done) {
        const session = client === null ? undefined : sessions.get(client);
        if (session === undefined || session.principal === null || stopped) return done(new Error("no login"));
        const verdict = checkPublish(session.principal, packet.topic, packet.retain);
        if (!verdict.ok) return done(refuse(session, verdict.code, verdict.detail));
        const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
        if (payload.length > limits.maxPayloadBytes) {
          return done(refuse(session, "PAYLOAD_TOO_LARGE", `${payload.length} bytes, at most ${limits.maxPayloadBytes}`));
        }
        const message: Ingested = { topic: packet.topic, payload, qos: packet.qos, principal: session.principal, receivedAtMs: nowMs() };
        let result: void | Promise<void>;
        try {
          result = ingest(message);
        } catch (error) {
          fail(error);
          return done(message.qos === 0 ? null : new Error("not stored"));
        }
        if (message.qos === 0) {
          result?.catch(fail);
          return done(null);
        }
        if (result === undefined && session.acksWaiting === 0) return done(null);
        acknowledgeInOrder(session, result, done);
      },

      authorizeSubscribe(client, subscription, done) {
        const session = sessions.get(client);
        if (session === undefined || session.principal === null) return done(null, null);
        const verdict = checkSubscribe(session.principal, subscription.topic);
        if (!verdict.ok) {
          count(session, verdict.code, verdict.detail);
          return done(null, null); // 128 for this filter; the others of the packet may be good
        }
        const filters = Object.keys((client as Client & { subscriptions: object }).subscriptions).length;
        if (filters >= limits.maxSubscriptionsPerClient) {
          count(session, "SUBSCRIPTION_LIMIT", `${nameOf(session.principal)} has ${filters} subscriptions already`);
          return done(null, null);
        }
        done(null, subscription);
      },

      authorizeForward(client, packet) {
        const principal = sessions.get(client)?.principal ?? null;
        return principal !== null && mayReceive(principal, packet.topic) ? packet : null;
      },
    },
  };

  function acknowledgeInOrder(session: Session, result: void | Promise<void>, done: (error?: Error | null) => void): void {
    const before = session.acks;
    // Seen at once, or a rejection that waits for its turn would count as unhandled.
    const outcome = Promise.resolve(result).then(
      () => null,
      (error: unknown) => {
        fail(error);
        return new Error("not stored");
      },
    );
    session.acksWaiting += 1;
    session.acks = (async () => {
      await before;
      const error = await outcome;
      session.acksWaiting -= 1;
      if (error !== null) session.lostBecause = "not stored";
      done(error);
    })();
  }
}
