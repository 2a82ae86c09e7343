export * from "./store.ts";
export { openEmbeddedStore, type EmbeddedStore, type EmbeddedStoreOptions, type EmbeddedStoreStats } from "./embedded-store.ts";
export { openRedisStore, type RedisStore, type RedisStoreOptions, type RedisStoreStats } from "./redis-store.ts";
