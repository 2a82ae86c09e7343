export { connect } from "./connect.ts";
export { MAX_TRIES } from "./backoff.ts";
export { browserTabs, type Candidacy, type Candidate, type Tabs } from "./tabs.ts";
export { ConnectionClosed, RefusedByServer } from "./options.ts";
export { browserOutbox, memoryOutbox, type MessagePriority, type OutboxStore, type QueuedMessage } from "./outbox-store.ts";
export type { OutgoingMessage } from "./outbox.ts";
export { reconcile, type Reconciled, type ReconcileOptions } from "./reconcile.ts";
export { renewingSession, type RenewingSession, type RenewingSessionOptions } from "./renewing-session.ts";
export { streamAddress, type StreamAddressOptions } from "./stream-address.ts";
export { synchronise, type SynchroniseOptions, type SyncOperation, type SyncPage } from "./synchronise.ts";
export type {
  ClientStats,
  Clock,
  ConnectionState,
  ConnectOptions,
  DeliveredEvent,
  FailureCode,
  KonferencoClient,
  OwnPresence,
  Publication,
  Refusal,
  SubscribeOptions,
  Surroundings,
  WebSocketConstructor,
  WebSocketLike,
} from "./options.ts";
export type { WireKind } from "./wire.ts";
export type { Channel, ClientEvent, Level, NearbyPerson, PositionView, PrivacyChange, PrivacySettings, SubjectView } from "@konferenco/protocol";
