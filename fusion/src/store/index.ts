export * from "./store.ts";
export { openEmbeddedStore, type EmbeddedStore, type EmbeddedStoreOptions, type EmbeddedStoreStats } from "./embedded-store.ts";
export { openRedisStore, type RedisStore, type RedisStoreOptions, type RedisStoreStats } from "./redis-store.ts";
export { KeyRing, ON_THE_WAY, personSubject, tagSubject, type KeyRingOptions, type SubjectKey } from "./key-ring.ts";
// what reaches disk and Redis, for the bridge's registry too
export { syncFolder, remedyFor, systemCode } from "./durable-file.ts";
export { lockFolder, type FolderLock } from "./folder-lock.ts";
export { RedisLink } from "./redis-link.ts";
