import { connect, type KonferencoClient } from "@konferenco/client";
import type { TagId } from "@konferenco/protocol";
import { demoPeople, newCrowd, newRadio, openFleet, type Fleet } from "@konferenco/simulators";
import WebSocket from "ws";
import { Closers } from "../closers.ts";
import { RecentNumbers } from "./figures.ts";
import type { System } from "./system.ts";

export { DEMO_PERSON_ID } from "@konferenco/simulators";

export interface DemoOptions {
  seed: string;
  tags: number;
  nowMs: () => number;
}

/** A simulated venue on a running system: people in the registry, a fleet over real MQTT, clients over real WebSockets. */
export interface Demo {
  fleet: Fleet;
  /** What the run's own clients saw. */
  deliveries: number;
  delivery: RecentNumbers;
  /** Stored positions against the truth at their time. */
  positionError: RecentNumbers;
  close(): Promise<void>;
}

/** The quantiles of a run are taken over the last so many: 80 KB each. */
const KEPT_FIGURES = 10_000;
/** Attendees' clients beside the operator's: enough to see that each gets its own view, few enough to cost nothing. */
const ATTENDEE_CLIENTS = 5;

export async function openDemo(system: System, venue: Parameters<typeof newCrowd>[0], options: DemoOptions): Promise<Demo> {
  const closers = new Closers();
  try {
    const { fleet, personIds } = await populate(system, venue, options);
    closers.add("simulated gateways", () => fleet.close());
    const delivery = new RecentNumbers(KEPT_FIGURES);
    const positionError = new RecentNumbers(KEPT_FIGURES);
    const demo: Demo = { fleet, deliveries: 0, delivery, positionError, close: () => closers.close() };

    const follower = await system.store.follow((event) => {
      if (event.kind !== "updates") return;
      for (const { body } of event.updates) {
        if (body.kind === "position") compareWithTruth(body.position, fleet, positionError);
      }
    });
    closers.add("comparison with the truth", () => follower.close());

    const bearers = [{ role: "operator" as const, personId: null }, ...personIds.slice(0, ATTENDEE_CLIENTS).map((personId) => ({ role: "attendee" as const, personId }))];
    for (const bearer of bearers) {
      const client = watchAs(system, bearer, (storedAtMs) => {
        demo.deliveries++;
        delivery.add(options.nowMs() - storedAtMs);
      });
      closers.add("client", async () => client.close());
    }
    return demo;
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

async function populate(system: System, venue: Parameters<typeof newCrowd>[0], options: DemoOptions): Promise<{ fleet: Fleet; personIds: string[] }> {
  const { seed, tags, nowMs } = options;
  const people = demoPeople({ seed, tags, nowMs: nowMs() });
  for (const { profile, consent, settings, tagId } of people) {
    // Who is there from an earlier run keeps the settings that they changed meanwhile.
    const known = await system.registry.person(profile.personId);
    if (known === null) await system.registry.putPerson({ profile, consent, settings });
    if (tagId !== null && (await system.registry.holderOf(tagId)) !== profile.personId) await system.registry.assignTag(tagId, profile.personId);
  }
  const crowd = newCrowd(venue, seed, { tags });
  const radio = newRadio(venue, seed);
  const gateways = venue.gateways.map(({ gatewayId }) => ({ gatewayId, password: system.site.gateways[gatewayId] ?? "" }));
  const brokerUrl = `mqtt://127.0.0.1:${system.broker.tcpPort}`;
  const fleet = await openFleet({ brokerUrl, eventId: system.site.eventId, venue, credentials: { kind: "gateways", gateways }, crowd, radio, nowMs });
  return { fleet, personIds: people.filter((person) => person.consent.given).map((person) => person.profile.personId) };
}

function compareWithTruth(position: { tagId: TagId; atMs: number; xM: number; yM: number; floor: number }, fleet: Fleet, errors: RecentNumbers): void {
  const truth = fleet.truth(position.tagId, position.atMs);
  if (truth === null) return;
  // Another floor is as wrong as a storey is high, and then some: 10 m, so that it cannot hide in a median.
  errors.add(Math.hypot(position.xM - truth.xM, position.yM - truth.yM, position.floor === truth.floor ? 0 : 10));
}

function watchAs(system: System, bearer: { role: "operator" | "attendee"; personId: string | null }, onLogged: (storedAtMs: number) => void): KonferencoClient {
  return connect({
    url: `${system.bridge.url.replace(/^http/, "ws")}/events`,
    token: () => system.bridge.issueToken(bearer),
    channels: bearer.role === "operator" ? [{ ch: "venue" }, { ch: "alerts" }] : [{ ch: "me" }, { ch: "nearby" }, { ch: "alerts" }],
    WebSocket: PlainSocket,
    name: ["konferenco-up", "0.1.0"],
    onState: () => undefined,
    onEvent: (event) => {
      if (event.from === "live" && event.st !== undefined) onLogged(event.st);
    },
  });
}

/** Without an offer of compression: the run's own clients take nobody's place (`--compress-connections`). */
class PlainSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols, { perMessageDeflate: false });
  }
}
