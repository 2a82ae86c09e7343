export { RegistryRefusal, type Registry, type RegistryChange } from "./registry.ts";
export { openEmbeddedRegistry, type EmbeddedRegistryOptions } from "./embedded-registry.ts";
export { openRedisRegistry, type RedisRegistry, type RedisRegistryOptions, type RedisRegistryStats } from "./redis-registry.ts";
