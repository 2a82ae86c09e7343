export { connect } from "./connect.ts";
export { MAX_TRIES } from "./backoff.ts";
export { browserTabs, type Candidacy, type Candidate, type Tabs } from "./tabs.ts";
export { ConnectionClosed, RefusedByServer } from "./options.ts";
export type {
  ClientStats,
  Clock,
  ConnectionState,
  ConnectOptions,
  DeliveredEvent,
  FailureCode,
  KonferencoClient,
  Refusal,
  SubscribeOptions,
  Surroundings,
  WebSocketConstructor,
  WebSocketLike,
} from "./options.ts";
export type { WireKind } from "./wire.ts";
export type { Channel, ClientEvent, Level, NearbyPerson, PositionView, PrivacyChange, PrivacySettings, SubjectView } from "@konferenco/protocol";
