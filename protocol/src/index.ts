// limits and errors
export * from "./limits.ts";
export * from "./errors.ts";
export * from "./distribution.ts";
// names
export * from "./ids.ts";
export * from "./topics.ts";
// messages over MQTT
export * from "./parse-json.ts";
export * from "./beacon-report.ts";
export * from "./sensors.ts";
export * from "./tag-names.ts";
export * from "./alert.ts";
// the venue
export * from "./json-file.ts";
export * from "./venue.ts";
export * from "./geometry.ts";
export * from "./geo.ts";
export * from "./bssid.ts";
export * from "./csv-line.ts";
export * from "./venue-geojson.ts";
export * from "./schedule.ts";
export * from "./activity.ts";
export * from "./regions.ts";
// what fusion makes and the store keeps
export * from "./update.ts";
// people and what they allow
export * from "./privacy-settings.ts";
export * from "./person.ts";
// what applications say to each other
export * from "./message-types.ts";
export * from "./message.ts";
// what clients speak
export * from "./frames.ts";
export * from "./server-frames.ts";
export * from "./view-digest.ts";
