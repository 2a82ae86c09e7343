export * from "./store.ts";
export { openEmbeddedStore, type EmbeddedStore, type EmbeddedStoreOptions, type EmbeddedStoreStats } from "./embedded-store.ts";
