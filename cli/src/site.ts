import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ConfigError, idSchema, type VenueMap } from "@konferenco/protocol";
import type { ApplicationRight, BrokerCredentials } from "@konferenco/broker";

/**
 * The secrets of one installation: made on the first start, kept in `site.json` of the data folder
 * (readable by its owner alone), so that links, gateways and tokens work again after a restart.
 */
const siteSchema = z.object({
  v: z.literal(1),
  eventId: idSchema,
  /** Base64url; tokens and cursors are made with keys derived from it. */
  secret: z.string().min(43),
  logins: z.array(z.object({ login: z.string(), password: z.string(), role: z.enum(["operator", "staff", "display", "attendee"]), personId: idSchema.nullable() })),
  applications: z.record(z.string(), z.string()),
  gateways: z.record(z.string(), z.string()),
});
export type Site = z.infer<typeof siteSchema>;

/** The MQTT logins that every installation has, and what each may do. */
const APPLICATIONS: Record<"fusion" | "bridge" | "replay" | "app", ApplicationRight[]> = {
  /** Fusion in a process of its own: reads everything, and tells gateways which changing names are the event's. */
  fusion: ["read-reports", "read-sensors", "read-alerts", "read-status", "publish-tag-names"],
  /** The bridge in a process of its own: sends the operators' alerts. */
  bridge: ["publish-alerts"],
  /** Recordings and simulations without a login per gateway. */
  replay: ["publish-reports", "publish-sensors"],
  /** The venue's own software. */
  app: ["publish-sensors", "publish-alerts", "read-alerts", "read-status"],
};

/** Opens the folder's site, or makes one. Gateways that are new on the map get a password. */
export function openSite(options: { folder: string; eventId: string; venue: VenueMap; demoPersonId: string | null }): Site {
  fs.mkdirSync(options.folder, { recursive: true });
  const file = path.join(options.folder, "site.json");
  const site = readSite(file) ?? newSite(options.eventId, options.demoPersonId);
  if (site.eventId !== options.eventId) {
    throw new ConfigError(`${file} belongs to event "${site.eventId}", not "${options.eventId}": name another folder with --data, or the event with --event`);
  }
  for (const gateway of options.venue.gateways) site.gateways[gateway.gatewayId] ??= newPassword();
  for (const name of Object.keys(APPLICATIONS)) site.applications[name] ??= newPassword();
  writeSite(file, site);
  return site;
}

/** The site that another command made; for processes that must not make their own. */
export function requireSite(folder: string): Site {
  const file = path.join(folder, "site.json");
  const site = readSite(file);
  if (site === null) throw new ConfigError(`${file} is not there: run "konferenco init --data ${folder}" once, before the processes`);
  return site;
}

export function brokerCredentialsOf(site: Site, venue: VenueMap): BrokerCredentials {
  return {
    gateways: venue.gateways.flatMap((gateway) => {
      const password = site.gateways[gateway.gatewayId];
      return password === undefined ? [] : [{ gatewayId: gateway.gatewayId, password, eventId: site.eventId, zoneIds: [gateway.zoneId] }];
    }),
    applications: Object.entries(APPLICATIONS).flatMap(([name, rights]) => {
      const password = site.applications[name];
      return password === undefined ? [] : [{ name, password, eventId: site.eventId, rights }];
    }),
  };
}

export function secretOf(site: Site): Uint8Array {
  return Buffer.from(site.secret, "base64url");
}

export function applicationPassword(site: Site, name: "fusion" | "bridge" | "replay" | "app"): string {
  const password = site.applications[name];
  if (password === undefined) throw new ConfigError(`site.json has no login for the application "${name}": run "konferenco init" again`);
  return password;
}

function newSite(eventId: string, demoPersonId: string | null): Site {
  const login = (name: string, role: Site["logins"][number]["role"], personId: string | null = null) => ({ login: name, password: newPassword(), role, personId });
  return {
    v: 1,
    eventId,
    secret: randomBytes(32).toString("base64url"),
    logins: [login("operator", "operator"), login("display", "display"), ...(demoPersonId === null ? [] : [login("attendee", "attendee", demoPersonId)])],
    applications: {},
    gateways: {},
  };
}

/** 72 random bits: out of reach over a network that refuses quickly repeated logins. */
function newPassword(): string {
  return randomBytes(9).toString("base64url");
}

function readSite(file: string): Site | null {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new ConfigError(`${file} cannot be read: ${(error as Error).message}`);
  }
  const parsed = siteSchema.safeParse(safeJson(text));
  if (!parsed.success) throw new ConfigError(`${file} is damaged (${parsed.error.issues[0]?.message ?? ""}): restore it, or remove it to get new passwords`);
  return parsed.data;
}

function writeSite(file: string, site: Site): void {
  const text = `${JSON.stringify(site, null, 2)}\n`;
  if (fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) return;
  // Written beside and renamed, so that a crash leaves the old file or the new one.
  const beside = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(beside, text, { mode: 0o600 });
  fs.renameSync(beside, file);
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
