import { randomBytes } from "node:crypto";
import { openBridge, openEmbeddedRegistry, type Bridge, type BridgeConfig, type Registry } from "@konferenco/bridge";
import { KeyRing, emptyBatch, openEmbeddedStore, type Store } from "@konferenco/fusion";
import { NO_ORIGIN, defaultPrivacySettings, type Activity, type Alert, type GatewayHealth, type Level, type Position } from "@konferenco/protocol";
import { programme, venue } from "./small-venue.ts";

export interface VenueStand {
  /** The bridge that runs now. */
  bridge(): Bridge;
  stopBridge(): Promise<void>;
  /** A new process, as it were: same port, secret, store and people. */
  startBridge(): Promise<void>;
  store: Store;
  registry: Registry;
  /** The link of a page, with its single-use ticket, as it is printed at the start. */
  consoleLink(): Promise<string>;
  attendeeLink(personId: string): Promise<string>;
  /** What fusion does when it has seen a tag move. */
  tagIsAt(tagId: string, place: { xM: number; yM: number; zoneId: string | null; floor?: number; activity?: Activity }): Promise<void>;
  tagMovesTo(tagId: string, from: string | null, place: { xM: number; yM: number; zoneId: string; floor?: number }): Promise<void>;
  gatewayIs(gatewayId: string, state: GatewayHealth["state"]): Promise<void>;
  alert(alert: Pick<Alert, "severity" | "title" | "text">): Promise<void>;
  addPerson(person: { personId: string; name: string; tagId: string; level?: Level; staff?: Level; interests?: string[] }): Promise<void>;
  close(): Promise<void>;
}

/** A real bridge on embedded store and registry; the test plays fusion. */
export async function openVenueStand(options: { webRoot: string | null }): Promise<VenueStand> {
  const nowMs = (): number => Date.now();
  const eventId = "test-event";
  const keys = KeyRing.inMemory();
  const store = await openEmbeddedStore({ eventId, dataDir: null, keys, origin: NO_ORIGIN, nowMs });
  const registry = await openEmbeddedRegistry({ dataDir: null, keys });
  const config: BridgeConfig = {
    eventId,
    host: "127.0.0.1",
    port: 0,
    venue,
    schedule: programme(nowMs()),
    store,
    registry,
    secret: randomBytes(32),
    logins: [
      { login: "desk", password: "desk-password", role: "operator", personId: null },
      { login: "screen", password: "screen-password", role: "display", personId: null },
    ],
    webRoot: options.webRoot,
    publishAlert: async (alert) => void (await store.commit({ ...emptyBatch(), alerts: [alert] }, nowMs())),
    nowMs,
    log: () => {},
  };
  let bridge = await openBridge(config);

  const positionOf = (tagId: string, place: { xM: number; yM: number; zoneId: string | null; floor?: number; activity?: Activity }): Position => ({
    tagId,
    atMs: nowMs(),
    floor: 0,
    vxMps: 0,
    vyMps: 0,
    accuracy95M: 2,
    confidence: 0.9,
    source: "beacon",
    ...place,
  });

  return {
    bridge: () => bridge,
    stopBridge: () => bridge.close(),
    async startBridge() {
      bridge = await openBridge({ ...config, port: bridge.port });
    },
    store,
    registry,
    consoleLink: async () => `${bridge.url}/console/#ticket=${await bridge.issueTicket({ role: "operator", personId: null })}`,
    attendeeLink: async (personId) => `${bridge.url}/attendee/#ticket=${await bridge.issueTicket({ role: "attendee", personId })}`,
    async tagIsAt(tagId, place) {
      await store.commit({ ...emptyBatch(), positions: [positionOf(tagId, place)] }, nowMs());
    },
    async tagMovesTo(tagId, from, place) {
      const atMs = nowMs();
      const floor = place.floor ?? 0;
      const exits = from === null ? [] : [{ transition: "exit" as const, tagId, zoneId: from, floor, atMs, confidence: 0.9 }];
      await store.commit(
        {
          ...emptyBatch(),
          zoneTransitions: [...exits, { transition: "enter", tagId, zoneId: place.zoneId, floor, atMs, confidence: 0.9 }],
          positions: [positionOf(tagId, place)],
        },
        atMs,
      );
    },
    async gatewayIs(gatewayId, state) {
      const atMs = nowMs();
      await store.commit({ ...emptyBatch(), gateways: [{ gatewayId, state, atMs, lastReportAtMs: atMs, observationsPerS: state === "online" ? 40 : 0, clockOffsetMs: 0 }] }, atMs);
    },
    async alert(alert) {
      const atMs = nowMs();
      await store.commit({ ...emptyBatch(), alerts: [{ alertId: `alert-${atMs}`, zoneIds: [], atMs, ...alert }] }, atMs);
    },
    async addPerson({ personId, name, tagId, level = "zone", staff = "zone", interests = [] }) {
      const settings = defaultPrivacySettings();
      await registry.putPerson({
        profile: { personId, name, role: "attendee", company: "", interests, lookingFor: "", connections: [] },
        consent: { given: true, atMs: nowMs() - 60_000, version: "test" },
        settings: { ...settings, level, audiences: { ...settings.audiences, staff } },
      });
      await registry.assignTag(tagId, personId);
    },
    async close() {
      await bridge.close();
      await registry.close();
      await store.close();
    },
  };
}
