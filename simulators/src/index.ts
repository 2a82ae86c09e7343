// dice, the venue and its people
export * from "./random.ts";
export * from "./demo-venue.ts";
export * from "./navigation.ts";
export * from "./crowd.ts";
// radio
export * from "./radio.ts";
export * from "./world.ts";
