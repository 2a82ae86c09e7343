export type { Registry, RegistryChange } from "./registry.ts";
export { openEmbeddedRegistry, type EmbeddedRegistryOptions } from "./embedded-registry.ts";
