import { openBridge } from "@konferenco/bridge";
import { Closers, untilStopped } from "../closers.ts";
import { logLine } from "../log.ts";
import { openKeysAt, openPinboardAt, openRegistryAt, openStoreAt } from "../open-store.ts";
import { venueOf, type EventOptions } from "../options.ts";
import { openSchedule } from "../schedule-file.ts";
import { applicationPassword, secretOf, type Site } from "../site.ts";
import { builtPages } from "../up/system.ts";
import { openAlertPublisher } from "./alert-publisher.ts";

export interface BridgeProcessOptions extends EventOptions {
  broker: string;
  store: string;
  host: string;
  port: number;
  trustedProxies: string[];
  compressConnections: number;
}

export async function runBridgeProcess(options: BridgeProcessOptions, site: Site): Promise<void> {
  const closers = new Closers();
  const { event: eventId } = options;
  try {
    const venue = venueOf(options);
    const schedule = openSchedule(options, venue, Date.now());
    const keys = await openKeysAt({ url: options.store, dataDir: options.data, keysDir: options.keys, site, log: logLine });
    closers.add("keys", async () => keys.close());
    const place = { url: options.store, eventId, venue, dataDir: options.data, keys, nowMs: Date.now, log: logLine };
    const store = await openStoreAt(place);
    closers.add("store", () => store.close());
    const registry = await openRegistryAt(place);
    closers.add("registry", () => registry.close());
    const pinboard = await openPinboardAt(place);
    closers.add("pinboard", () => pinboard.close());
    const alerts = openAlertPublisher({ url: options.broker, eventId, username: "bridge", password: applicationPassword(site, "bridge"), log: logLine });
    closers.add("alert publisher", () => alerts.close());
    const bridge = await openBridge({
      eventId,
      host: options.host,
      port: options.port,
      trustedProxies: options.trustedProxies,
      limits: { maxCompressed: options.compressConnections },
      venue,
      schedule: schedule.first,
      store,
      registry,
      pinboard,
      secret: secretOf(site),
      logins: site.logins,
      webRoot: builtPages(),
      publishAlert: (alert) => alerts.publish(alert),
      nowMs: Date.now,
      log: logLine,
    });
    closers.add("bridge", () => bridge.close());
    const stopFollowing = schedule.follow((changed) => bridge.setSchedule(changed), logLine);
    closers.add("schedule", async () => stopFollowing());
    logLine({ event: "bridge ready", url: bridge.url });
    await untilStopped(null);
  } finally {
    await closers.close();
  }
}
