import path from "node:path";
import { openBridge, type Bridge, type Registry } from "@konferenco/bridge";
import { openBroker, type Broker } from "@konferenco/broker";
import { openFusionService, type FusionService, type RotatingTags, type Store } from "@konferenco/fusion";
import { alertTopic, tagNamesTopic, type Schedule, type VenueMap } from "@konferenco/protocol";
import { Closers } from "../closers.ts";
import { exposeBroker, exposeFusion } from "../expose.ts";
import { openKeysAt, openPinboardAt, openRegistryAt, openStoreAt } from "../open-store.ts";
import type { Surveys } from "../survey/read-surveys.ts";
import { brokerCredentialsOf, openSite, secretOf, type Site } from "../site.ts";
import { announceTagNames } from "../tag-names.ts";

export interface SystemOptions {
  eventId: string;
  venue: VenueMap;
  schedule: Schedule;
  surveys: Surveys;
  /** Secrets, store and registry live here. */
  dataDir: string;
  /** Keys of people and tags; absent: `<dataDir>.keys`. */
  keysDir?: string | undefined;
  /** `embedded`, `memory` or `redis://…`. */
  store: string;
  host: string;
  /** Ports: 0 picks a free one. */
  httpPort: number;
  /** Reverse proxies before the bridge; absent: none. */
  trustedProxies?: string[];
  /** WebSockets that may be compressed; absent: none. */
  compressConnections?: number;
  mqttPort: number;
  mqttWsPort: number | null;
  /** The person behind the demo login `attendee`, if there is one. */
  demoPersonId: string | null;
  webRoot: string | null;
  /** Tags whose names change; null: none. */
  rotatingTags: RotatingTags | null;
  nowMs: () => number;
  log: (event: object) => void;
}

/** Broker, fusion, store, registry and bridge in one process, put together; nothing else does this. */
export interface System {
  site: Site;
  broker: Broker;
  fusion: FusionService;
  store: Store;
  registry: Registry;
  bridge: Bridge;
  setSchedule(schedule: Schedule): void;
  close(): Promise<void>;
}

/** Opens everything or, on a fault, closes what was open and rejects. */
export async function openSystem(options: SystemOptions): Promise<System> {
  const { eventId, venue, schedule, dataDir, host, rotatingTags, nowMs, log } = options;
  const closers = new Closers();
  try {
    const site = openSite({ folder: dataDir, eventId, venue, demoPersonId: options.demoPersonId });
    const keys = await openKeysAt({ url: options.store, dataDir, keysDir: options.keysDir, site, log });
    closers.add("keys", async () => keys.close());
    const place = { url: options.store, eventId, venue, dataDir, keys, nowMs, log };
    const store = await openStoreAt(place);
    closers.add("store", () => store.close());
    const registry = await openRegistryAt(place);
    closers.add("registry", () => registry.close());
    const pinboard = await openPinboardAt(place);
    closers.add("pinboard", () => pinboard.close());
    const fusion = openFusionService({ eventId, venue, schedule, store, keys, nowMs, time: "wall", log, ...options.surveys, ...(rotatingTags === null ? {} : { rotatingTags }) });
    closers.add("fusion", () => fusion.close());
    const credentials = brokerCredentialsOf(site, venue);
    const broker = await openBroker({ host, tcpPort: options.mqttPort, wsPort: options.mqttWsPort, credentials, nowMs, log });
    closers.add("broker", () => broker.close());
    broker.attach((message) =>
      fusion.ingest({
        topic: message.topic,
        payload: message.payload,
        gatewayId: message.principal.kind === "gateway" ? message.principal.gatewayId : null,
        receivedAtMs: message.receivedAtMs,
      }),
    );
    if (rotatingTags !== null) {
      const publish = (names: string) => broker.publish(tagNamesTopic(eventId), names, { qos: 1, retain: true });
      const announcement = announceTagNames({ tags: rotatingTags, publish, nowMs, log });
      closers.add("tag names", async () => announcement.close());
    }
    const bridge = await openBridge({
      eventId,
      host,
      port: options.httpPort,
      ...(options.trustedProxies === undefined ? {} : { trustedProxies: options.trustedProxies }),
      limits: { maxCompressed: options.compressConnections ?? 0 },
      venue,
      schedule,
      store,
      registry,
      pinboard,
      secret: secretOf(site),
      logins: site.logins,
      webRoot: options.webRoot,
      // An operator's alert takes the road of every alert: over the broker, into the log, to the clients.
      publishAlert: ({ severity, ...alert }) => broker.publish(alertTopic(eventId, severity), JSON.stringify({ v: 1, ...alert }), { qos: 2, retain: false }),
      nowMs,
      log,
      expose(exposition) {
        exposeBroker(exposition, () => broker.stats());
        exposeFusion(exposition, () => fusion);
      },
    });
    closers.add("bridge", () => bridge.close());
    return {
      site,
      broker,
      fusion,
      store,
      registry,
      bridge,
      setSchedule(changed) {
        fusion.setSchedule(changed);
        bridge.setSchedule(changed);
      },
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

/** The built pages, beside this package. */
export function builtPages(): string {
  return path.resolve(import.meta.dirname, "../../../web/dist");
}
