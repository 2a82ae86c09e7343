export { openBroker, type Broker, type BrokerStats } from "./broker.ts";
export type { IngestHandler, Ingested } from "./doorkeeper.ts";
export { APPLICATION_RIGHTS, checkPublish, checkSubscribe, isOwnClientId, mayReceive, type ApplicationRight, type Principal } from "./acl.ts";
export { brokerLimitsSchema, brokerSettingsSchema, type BrokerConfig, type BrokerLimits, type BrokerSettings } from "./config.ts";
export { hashPassword, newPassword, parseCredentials, storeCredentials, type BrokerCredentials, type StoredCredentials } from "./credentials.ts";
