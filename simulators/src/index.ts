// dice, the venue and its people
export * from "./random.ts";
export * from "./demo-venue.ts";
export * from "./demo-people.ts";
export * from "./demo-schedule.ts";
export * from "./navigation.ts";
export * from "./crowd.ts";
// radio
export * from "./radio.ts";
export * from "./world.ts";
export * from "./faults.ts";
// over real MQTT
export * from "./mqtt-link.ts";
export * from "./fleet.ts";
export * from "./replay.ts";
// recordings
export * from "./meetings.ts";
export * from "./recording.ts";
export * from "./truth.ts";
export * from "./record.ts";
export * from "./wifi-floor.ts";
export * from "./office-venue.ts";
