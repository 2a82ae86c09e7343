export { RegistryRefusal, type Registry, type RegistryChange } from "./registry.ts";
export { openEmbeddedRegistry, type EmbeddedRegistryOptions } from "./embedded-registry.ts";
