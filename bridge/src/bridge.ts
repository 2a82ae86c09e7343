import { ConfigError, EMPTY_SCHEDULE, hasPlaces, type Update } from "@konferenco/protocol";
import { Activities } from "./activities.ts";
import { AlertReceipts } from "./alert-receipts.ts";
import { Attendance } from "./attendance.ts";
import { newTokenAuthority } from "./auth.ts";
import { Channels } from "./channels.ts";
import { CountAudit } from "./count-audit.ts";
import { ClientFrames } from "./client-frames.ts";
import { DEFAULT_LIMITS, type Bridge, type BridgeConfig, type BridgeStats, type LaneName } from "./config.ts";
import type { Connection } from "./connection.ts";
import { LivePicture } from "./core/live-picture.ts";
import type { ViewerRole } from "./core/privacy-policy.ts";
import { sealCursor } from "./cursor.ts";
import { Flow } from "./flow.ts";
import { newClientAddress } from "./http/client-address.ts";
import { fallbackRoutes } from "./http/fallback-routes.ts";
import { listen, newHttpServer } from "./http/http-server.ts";
import { messageRoutes } from "./http/message-routes.ts";
import { operationsRoutes } from "./http/operations.ts";
import { openPages } from "./http/pages.ts";
import { programmeRoutes } from "./http/programme-routes.ts";
import { apiRoutes } from "./http/routes.ts";
import { Hub, TICK_MS } from "./hub.ts";
import { MessageDesk } from "./message-desk.ts";
import { Signals } from "./signals.ts";
import { Talk } from "./talk.ts";
import { deriveKeys, publicDice } from "./keys.ts";
import { Logins } from "./logins.ts";
import { LANES, loadOf, newMetrics, slowestOf, type MoreFigures } from "./metrics.ts";
import { Occupancy } from "./occupancy.ts";
import { PeopleCache, type PolicyChange } from "./people-cache.ts";
import { PeopleDesk } from "./people-desk.ts";
import { newInProcessPinboard } from "./pinboard/index.ts";
import { Poller } from "./poll.ts";
import { Presence } from "./presence.ts";
import { RecentDelays } from "./recent-delays.ts";
import { Replayer } from "./replayer.ts";
import { SseTransport } from "./sse-transport.ts";
import { Surroundings } from "./surroundings.ts";
import { Sync } from "./sync.ts";
import { Tickets } from "./tickets.ts";
import { newTimings } from "./timings.ts";
import { UpdateFeed } from "./update-feed.ts";
import { WsTransport } from "./ws-transport.ts";

const VERSION = "0.1.0";
const SECOND_MS = 1_000;

/** Puts the bridge together: store and registry in, clients out. Resolves when it listens; rejects with `ConfigError` for what its user can mend. */
export async function openBridge(config: BridgeConfig): Promise<Bridge> {
  const { eventId, store, registry, venue, nowMs, log } = config;
  const limits = { ...DEFAULT_LIMITS, ...config.limits };
  const allowedOrigins = config.allowedOrigins ?? [];
  const clientAddress = newClientAddress(config.trustedProxies ?? []);
  checkLogins(config);
  const keys = deriveKeys(config.secret, eventId);
  const pages = openPages(config.webRoot);
  const startedAtMs = nowMs();

  const authority = await newTokenAuthority(keys.token, eventId, nowMs);
  const pinboard = config.pinboard ?? newInProcessPinboard(nowMs);
  const tickets = new Tickets({ pinboard, passKey: keys.streamPass, nowMs });
  const people = new PeopleCache(registry, nowMs, hasPlaces(venue) ? "precise" : "zone");
  const picture = new LivePicture();
  const feedOffset = (): number => feed.at.offset;
  const seal = (connection: Connection, offset: number) => sealCursor(keys.cursor, connection.subject, { epoch: feed.at.epoch, offset, atMs: nowMs() });
  let schedule = config.schedule ?? EMPTY_SCHEDULE;
  const activities: Activities = new Activities({ venue, schedule, people, picture, hub: () => hub, nowMs });
  const timings = newTimings();
  const hub: Hub = new Hub({ timings, people, picture, limits, nowMs, seal, feedOffset, activityOf: (tagId, viewer) => activities.shownTo(tagId, viewer) });
  const channels = new Channels({ venue, schedule, people, picture, hub, nowMs });
  const feed: UpdateFeed = new UpdateFeed({ timings, store, registry, people, picture, hub, heard, policyChanged, eventRefKey: keys.eventRef, nowMs, log });
  const replayer = new Replayer({ timings, store, people, hub, feed, eventRefKey: keys.eventRef, nowMs, log, seal });
  const dice = (zoneId: string, window: number) => publicDice(keys.publicCount, zoneId, window);
  const attendance = new Attendance({ picture, pinboard, key: keys.attendance });
  const surroundings: Surroundings = new Surroundings({ venue, people, picture, hub, activities, nowMs, nearbyEveryMs: limits.nearbyEveryMs, whenShown: (tagId, window) => publicDice(keys.whenShown, tagId, window)[0], log });
  const occupancy = new Occupancy({ venue, people, picture, hub, activities, attendance, dice, nowMs });
  const signals = new Signals({ store, nowMs, log });
  const countAudit = new CountAudit({ hub, signals, nowMs, log });
  const messages = new MessageDesk({ store, people, signals, nowMs });
  const presence: Presence = new Presence({ hub, people, signals, nowMs, log });
  const talk: Talk = new Talk({ hub, people, presence, eventRefKey: keys.eventRef, nowMs });
  const receipts = new AlertReceipts({ hub, signals, eventRefKey: keys.eventRef, nowMs });
  function policyChanged(change: PolicyChange): void {
    presence.policyChanged(change);
    activities.policyChanged(change);
  }
  const flow = new Flow({ signals, delivered: () => hub.counts.delivered, nowMs });
  function heard(update: Update, when: "before" | "now"): void {
    talk.heard(update, when);
    if (when === "before") return;
    flow.heard(update);
    receipts.heard(update);
    if (update.body.kind !== "signal") return;
    const { signal } = update.body;
    if (signal.kind === "presence") presence.heard(signal);
    else if (signal.kind === "receipts") receipts.heardReceipts(signal);
    else if (signal.kind === "resync") hub.tellResync(signal.who);
    else if (signal.kind === "counts_read") countAudit.heard(signal);
  }
  const desk = new PeopleDesk({ registry, feed, hub, nowMs });
  const helloDelays = new RecentDelays();
  const greeted = (connection: Connection): void => {
    if (connection.wire.kind !== "poll") helloDelays.add(nowMs() - connection.openedAtMs);
    transport.greeted(connection);
  };
  const frames = new ClientFrames({ timings, venue, store, people, desk, messages, talk, hub, feed, replayer, occupancy, countAudit, channels, authority, cursorKey: keys.cursor, limits, nowMs, log, seal, greeted });
  const streams = new SseTransport({ hub, frames, authority, tickets, limits, webSockets: () => transport.connections, clientAddress, random: Math.random, nowMs });
  const sync = new Sync({ store, people, cursorKey: keys.cursor, eventRefKey: keys.eventRef, nowMs });
  const poller = new Poller({ hub, frames, authority, presence, nowMs });
  feed.onErased = (personId, tagId) => {
    surroundings.forget(personId);
    if (tagId !== null) attendance.forget(tagId);
    activities.forget(personId);
  };
  const transport: WsTransport = new WsTransport({ hub, frames, limits, allowedOrigins, clientAddress, nowMs, feedOffset, seal });

  const stats = (): BridgeStats => statsOf(hub, feed, replayer);
  const more = (): MoreFigures => ({
    load: () => loadOf(hub.connections),
    delays: hub.delays,
    helloDelays,
    accepted: { ws: transport.accepted, sse: streams.accepted, poll: poller.accepted },
    compressed: transport.compressed,
    upgradesRefused: transport.refused,
    errorsTold: frames.errors,
    bytes: hub.counts.bytes,
    frames: hub.counts.frames,
    replaying: replayer.active,
    tags: picture.tagCount,
    gateways: picture.gateways(),
    feedPending: feed.pending,
    feedFailing: feed.failing,
  });
  const metrics = newMetrics(stats, more, { hub, frames, replayer, feed, poller, timings, nowMs });
  config.expose?.(metrics);
  const logins = new Logins(keys.password, config.logins, pinboard);
  const api = [...apiRoutes({ eventId, venue, store, registry, people, desk, surroundings, occupancy, receipts, signals, countAudit, flow, slowest: () => slowestOf(hub.connections, nowMs()), authority, tickets, logins, publishAlert: config.publishAlert, nowMs }), ...programmeRoutes({ schedule: () => schedule, activities, channels, people, nowMs }), ...fallbackRoutes({ streams, poller, tickets, nowMs }), ...messageRoutes({ eventId, messages, people, sync, nowMs })];
  const operations = operationsRoutes({ store, registry, feed, metrics, stats, version: VERSION, startedAtMs, nowMs }, api);
  const server = newHttpServer({ streams, routes: [...api, ...operations], authority, registry, pages, allowedOrigins, clientAddress, log, observe: (route, status) => metrics.observeRequest(route, status) });
  server.on("upgrade", transport.upgrade);

  await feed.open();
  const port = await listen(server, config.port, config.host).catch(async (error: unknown) => {
    await feed.close();
    throw error;
  });

  let tickedMs = performance.now();
  const tick = setInterval(() => {
    timings.loopLag.add(Math.max(0, performance.now() - tickedMs - TICK_MS) / 1_000);
    tickedMs = performance.now();
    presence.tick();
    talk.tick();
    receipts.tick();
    const startedMs = performance.now();
    hub.tick();
    metrics.observeTick(performance.now() - startedMs);
    replayer.tick();
    surroundings.tickNearby();
    surroundings.tickEncounters();
    activities.tick();
  }, TICK_MS);
  const half = setInterval(() => {
    presence.tickHere();
    channels.tick();
  }, SECOND_MS / 2);
  const second = setInterval(() => {
    transport.tickSecond();
    streams.tickSecond();
    receipts.tickSecond();
    flow.tickSecond();
    void feed.tickSecond();
    countAudit.tickSecond();
    occupancy.tickSecond();
    for (const tagId of picture.sweep(nowMs())) hub.forgetSilentTag(tagId);
    surroundings.tickParted();
    // Shares that have ended: their policies are made anew, and who saw is told to forget.
    for (const personId of people.endedShares()) void feed.applyPerson({ kind: "person", personId }).catch(() => {});
  }, SECOND_MS);

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
    streams.drain();
    await transport.drain();
    clearInterval(tick);
    clearInterval(half);
    clearInterval(second);
    await signals.close();
    await attendance.close();
    await feed.close();
    server.closeIdleConnections();
    const impatience = setTimeout(() => server.closeAllConnections(), SECOND_MS);
    await stopped;
    clearTimeout(impatience);
  };
  return {
    port,
    url: `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`,
    issueTicket: (who) => tickets.issue(who),
    issueToken: async (who) => (await authority.issue(who)).token,
    setSchedule(changed) {
      schedule = changed;
      activities.setSchedule(changed);
      occupancy.setPlan(activities.plan);
      channels.setRegions(changed.regions);
    },
    stats,
    close: () => (closing ??= close()),
  };
}

function checkLogins({ logins }: BridgeConfig): void {
  const names = new Set<string>();
  for (const { login, password } of logins) {
    if (names.has(login)) throw new ConfigError(`the login "${login}" is there twice: each name once`);
    if (password.length < 8) throw new ConfigError(`the password of login "${login}" has ${password.length} characters: at least 8`);
    names.add(login);
  }
}

function statsOf(hub: Hub, feed: UpdateFeed, replayer: Replayer): BridgeStats {
  const connectionsByRole: Record<ViewerRole, number> = { operator: 0, staff: 0, display: 0, attendee: 0 };
  for (const connection of hub.connections) connectionsByRole[connection.viewer.role]++;
  const byLane = <T>(read: (lane: 0 | 1 | 2 | 3) => T) => Object.fromEntries(LANES.map((name, lane) => [name, read(lane as 0 | 1 | 2 | 3)])) as Record<LaneName, T>;
  return {
    connections: hub.connections.size,
    connectionsByRole,
    subscriptions: Object.values(hub.byChannel).reduce((sum, set) => sum + set.size, 0) + [...hub.byApp.values()].reduce((sum, set) => sum + set.size, 0),
    deliveries: byLane((lane) => hub.counts.delivered[lane]),
    drops: byLane((lane) => Object.fromEntries(Object.entries(hub.counts.dropped).map(([why, counts]) => [why, counts[lane]]))),
    updatesIn: feed.updatesIn,
    deliveryP50Ms: hub.delays.quantileMs(0.5),
    deliveryP95Ms: hub.delays.quantileMs(0.95),
    replays: { whole: replayer.whole, gap: replayer.gap },
    closedByCode: Object.fromEntries([...hub.closedByCode].map(([code, count]) => [String(code), count])),
    feed: { ...feed.at, gaps: feed.gaps },
  };
}
