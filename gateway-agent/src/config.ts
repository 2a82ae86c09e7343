import fs from "node:fs";
import { ConfigError, idSchema, jsonOfFile, MAX_REPORT_ROWS } from "@konferenco/protocol";
import { z } from "zod";

/** The settings of one gateway: one JSON file (comments allowed), a few values from the environment above it. */

const hexDigits = (length: number) => z.string().regex(new RegExp(`^[0-9a-fA-F]{${length}}$`), `must be ${length} hex digits`);
const uuid = z.string().regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, "must be a UUID such as 01234567-89ab-cdef-0123-456789abcdef");
const uint16 = z.number().int().min(0).max(65_535);

/** A tag by its names on the air, for tags that do not carry the event's own identity. */
const enrolmentSchema = z
  .strictObject({
    tagId: idSchema,
    address: z.string().regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, "must be an address such as ac:23:3f:00:00:01").optional(),
    ibeacon: z.strictObject({ uuid, major: uint16, minor: uint16 }).optional(),
    eddystoneUid: hexDigits(32).optional(),
    altbeacon: hexDigits(40).optional(),
  })
  .refine((tag) => tag.address ?? tag.ibeacon ?? tag.eddystoneUid ?? tag.altbeacon, "needs at least one of address, ibeacon, eddystoneUid, altbeacon")
  .refine((tag) => !tag.tagId.startsWith("gateway:"), "gateways are listed in gatewayMinors");

const brokerSchema = z
  .strictObject({
    url: z.string().regex(/^(mqtts?|wss?):\/\/[^@\s]+$/, "must be mqtts://host:8883, mqtt://127.0.0.1:1883, wss:// or ws://, without a password in it"),
    password: z.string().max(256).optional(),
    /** A file that holds the password alone: for systemd's LoadCredential and Docker's secrets. */
    passwordFile: z.string().min(1).optional(),
    caFile: z.string().min(1).optional(),
    allowUnencrypted: z.boolean().default(false),
  })
  .refine(({ url, allowUnencrypted }) => allowUnencrypted || isEncrypted(url) || isLoopback(url), {
    path: ["url"],
    message: 'would send the password and everybody\'s whereabouts in clear text: use mqtts:// or wss://, or set "allowUnencrypted": true on a network of your own',
  });

const radioSchema = z
  .strictObject({
    /** 0 for hci0; null: the first adapter that is up. */
    hciDevice: z.number().int().min(0).max(15).nullable().default(null),
    /** Active asks every device for a scan response: more airtime, nothing that we use. */
    scan: z.enum(["passive", "active"]).default("passive"),
    scanIntervalMs: z.number().min(2.5).max(10_240).default(100),
    /** Equal to the interval = listening all the time. A Pi that reports over its own Wi-Fi shares the antenna: try half. */
    scanWindowMs: z.number().min(2.5).max(10_240).default(100),
    /** No advertisement at all for so long: scanning is restarted. */
    quietRestartS: z.number().min(1).max(3_600).default(30),
    /** Transmit an iBeacon of one's own when gatewayMinors knows this gateway. */
    advertise: z.boolean().default(true),
    advertiseEveryMs: z.number().min(100).max(10_240).default(1_000),
    /** RSSI of that iBeacon at 1 m; a Pi 4 measured in the open is about -59. */
    powerAt1mDbm: z.number().int().min(-120).max(20).default(-59),
  })
  .refine((radio) => radio.scanWindowMs <= radio.scanIntervalMs, "scanWindowMs must not be longer than scanIntervalMs");

export const gatewaySettingsSchema = z.strictObject({
  gatewayId: idSchema,
  eventId: idSchema,
  zoneId: idSchema,
  broker: brokerSchema,
  radio: radioSchema.prefault({}),
  /** Every gateway's number in its own iBeacon (major 65535): the same table for all gateways of the event. 2,000 rows are 300 KB of memory. */
  gatewayMinors: z.record(idSchema, uint16).refine(hasDistinctValues, "two gateways have the same number").default({}),
  tags: z.array(enrolmentSchema).max(10_000).default([]),
  batch: z
    .strictObject({
      windowMs: z.number().int().min(50).max(5_000).default(500),
      /** 90 bytes each at worst, so that a report stays under the broker's 256 KB. */
      maxRows: z.number().int().min(1).max(Math.min(2_500, MAX_REPORT_ROWS)).default(1_000),
    })
    .prefault({}),
  spool: z
    .strictObject({
      /** Null: keep nothing while offline. */
      directory: z.string().min(1).nullable().default("/run/konferenco-gateway/spool"),
      /** 16 MiB hold 5 minutes of 1,500 sightings a second. */
      maxBytes: z.number().int().min(4 * 1024 * 1024).max(1024 * 1024 * 1024).default(16 * 1024 * 1024),
      /** Whereabouts are kept 5 minutes, no longer (requirement A4). */
      maxAgeS: z.number().min(1).max(300).default(300),
    })
    .prefault({}),
  wifiScan: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** NetworkManager itself looks at most every 30 s. */
      everyS: z.number().min(5).max(3_600).default(30),
      interface: z.string().min(1).max(32).nullable().default(null),
    })
    .prefault({}),
  statusEveryS: z.number().min(1).max(60).default(15),
});
export type GatewaySettings = z.infer<typeof gatewaySettingsSchema>;

/** Settings, and what the files that they name hold. */
export interface GatewayConfig extends GatewaySettings {
  password: string;
  ca: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings file; the environment wins. Throws `ConfigError` with what to mend. */
export function readGatewayConfig(file: string, env: Environment): GatewayConfig {
  return gatewayConfigOf(parseSettings(readText(file, `no settings at ${file}: run "konferenco-gateway --init ${file}" and fill them in`), file), env, file);
}

/** `source` names where the settings came from, for messages. */
export function gatewayConfigOf(settings: unknown, env: Environment, source: string): GatewayConfig {
  const result = gatewaySettingsSchema.safeParse(withEnvironment(settings, env));
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "settings"}: ${issue.message}`);
    throw new ConfigError(`${source}: ${faults.slice(0, 5).join("; ")} (each setting is explained in the file that --init writes)`);
  }
  const { broker } = result.data;
  const fromFile = broker.passwordFile === undefined ? "" : readText(broker.passwordFile, `${source}: broker.passwordFile ${broker.passwordFile} cannot be read`).trim();
  // The template's "" means "not here".
  const password = env.KONFERENCO_GATEWAY_PASSWORD || broker.password || fromFile;
  if (password === "") {
    throw new ConfigError(`${source}: the gateway's password is missing: set broker.password, broker.passwordFile or KONFERENCO_GATEWAY_PASSWORD`);
  }
  const ca = broker.caFile === undefined ? null : readText(broker.caFile, `${source}: broker.caFile ${broker.caFile} cannot be read`);
  return { ...result.data, password, ca };
}

/** JSON with comments of both kinds, which people need in a file that they fill in. */
export function parseSettings(text: string, source: string): unknown {
  try {
    return jsonOfFile(text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) => (part.startsWith('"') ? part : "")));
  } catch (error) {
    throw new ConfigError(`${source} is not JSON: ${(error as Error).message} (look for a missing or spare comma)`);
  }
}

const ENVIRONMENT = { KONFERENCO_GATEWAY: "gatewayId", KONFERENCO_EVENT: "eventId", KONFERENCO_ZONE: "zoneId" } as const;

function withEnvironment(settings: unknown, env: Environment): unknown {
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) return settings;
  const merged: Record<string, unknown> = { ...settings };
  for (const [variable, setting] of Object.entries(ENVIRONMENT)) if (env[variable] !== undefined) merged[setting] = env[variable];
  if (env.BROKER_URL !== undefined) merged.broker = { ...(merged.broker as object | undefined), url: env.BROKER_URL };
  return merged;
}

function readText(file: string, complaint: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${complaint} (${(error as NodeJS.ErrnoException).code ?? "unreadable"})`);
  }
}

function isEncrypted(url: string): boolean {
  return /^(mqtts|wss):/.test(url);
}

function isLoopback(url: string): boolean {
  return /^\w+:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/]|$)/.test(url);
}

function hasDistinctValues(record: Record<string, number>): boolean {
  const values = Object.values(record);
  return new Set(values).size === values.length;
}

/** What `--init` writes. Every line that needs a person's attention says so. */
export const SETTINGS_TEMPLATE = `// Settings of one Konferenco gateway. Lines that begin with // are comments.
{
  // --- fill these in; the operator gives you the values ---
  "gatewayId": "gw-1",              // this box: the same id as in the venue map, and the login at the broker
  "eventId": "demo",                // the event: second word of every topic
  "zoneId": "hall-1",               // the zone in which this box hangs, as in the venue map
  "broker": {
    "url": "mqtts://broker.example.org:8883",
    "password": "",                 // this gateway's own; or "passwordFile": "/path", or KONFERENCO_GATEWAY_PASSWORD
    // "caFile": "/etc/konferenco/venue-ca.pem",   // when the broker's certificate is the venue's own
    "allowUnencrypted": false       // true lets mqtt:// be used beyond this machine: only on a network of your own
  },

  // --- the rest works as it is ---
  // Numbers of all gateways of the event, the same table everywhere. With them the gateways hear each other,
  // and the map can be calibrated without a walk.
  "gatewayMinors": {
    // "gw-1": 1,
    // "gw-2": 2
  },
  // Tags that do not carry the event's own UUID or namespace ("konferenco-gateway --identity" shows those):
  // by address, iBeacon, Eddystone-UID (32 hex digits) or AltBeacon (40 hex digits).
  "tags": [
    // { "tagId": "tag-17", "address": "ac:23:3f:00:00:01" },
    // { "tagId": "tag-18", "ibeacon": { "uuid": "01234567-89ab-cdef-0123-456789abcdef", "major": 1, "minor": 18 } }
  ],
  "radio": {
    "hciDevice": null,              // null: the first Bluetooth adapter; 1: hci1
    "scan": "passive",              // passive | active
    "scanIntervalMs": 100,
    "scanWindowMs": 100,            // 50: half of the time, when this Pi reports over its own Wi-Fi
    "quietRestartS": 30,            // no advertisement at all for so long: restart scanning
    "advertise": true,              // transmit this gateway's own iBeacon (needs its number in gatewayMinors)
    "advertiseEveryMs": 1000,
    "powerAt1mDbm": -59             // how strong that iBeacon is at 1 m
  },
  "batch": {
    "windowMs": 500,                // one report per half second
    "maxRows": 1000
  },
  "spool": {
    "directory": "/run/konferenco-gateway/spool",  // in RAM: spares the SD card; null keeps nothing while offline
    "maxBytes": 16777216,           // 16 MiB: 5 minutes of 1,500 sightings a second
    "maxAgeS": 300                  // at most 300: whereabouts are kept 5 minutes
  },
  "wifiScan": {
    "enabled": true,
    "everyS": 30,
    "interface": null               // "wlan0", or null for all
  },
  "statusEveryS": 15
}
`;
