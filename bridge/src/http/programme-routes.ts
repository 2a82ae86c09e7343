import { z } from "zod";
import { activityViewSchema, boothSchema, meetingSchema, nearbyChannelSchema, regionSchema, sessionItemSchema, type Schedule } from "@konferenco/protocol";
import type { Activities } from "../activities.ts";
import type { Channels } from "../channels.ts";
import { fold } from "../core/compatibility.ts";
import { KeyedBuckets } from "../core/token-bucket.ts";
import type { PeopleCache } from "../people-cache.ts";
import { ClientError, EVERYBODY, route, type Route } from "./router.ts";
import { personIdOf, viewerOf } from "./routes.ts";

/** A phone scans every 10 s (requirement B4); more is probing. */
const CHANNELS_RATE = { perS: 1, burst: 10 };
const MAX_KEYS = 10_000;
/** Transmitters that one phone hears at once. */
const MAX_HEARD = 200;

export interface ProgrammeRoutesOptions {
  schedule: () => Schedule;
  activities: Activities;
  channels: Channels;
  people: PeopleCache;
  nowMs: () => number;
}

/** What is on, what I am doing, and which channels are near me. */
export function programmeRoutes({ schedule, activities, channels, people, nowMs }: ProgrammeRoutesOptions): Route[] {
  const buckets = new KeyedBuckets(CHANNELS_RATE, MAX_KEYS);
  return [
    route({
      method: "GET",
      path: "/api/v1/schedule",
      summary: "What is on where: sessions, exhibitors, regions with their channels, and one's own meetings",
      access: EVERYBODY,
      answers: z.object({ sessions: z.array(sessionItemSchema), booths: z.array(boothSchema), regions: z.array(regionSchema.omit({ signals: true })), meetings: z.array(meetingSchema) }),
      handle({ claims }) {
        const personId = claims?.personId ?? null;
        const { sessions, booths, meetings, regions } = schedule();
        // By which transmitters a place is known is the venue's own.
        const shownRegions = regions.map(({ signals: _signals, ...region }) => region);
        const own = personId === null ? [] : meetings.filter(({ personIds }) => personIds.includes(personId));
        return { status: 200, body: { sessions, booths, regions: shownRegions, meetings: own } };
      },
    }),
    route({
      method: "GET",
      path: "/api/v1/me/activity",
      summary: "What I am doing, by place and schedule; null while nothing is known",
      access: "person",
      answers: z.object({ activity: activityViewSchema.nullable() }),
      async handle({ claims }) {
        const personId = personIdOf(claims);
        await people.loadPerson(personId);
        return { status: 200, body: { activity: activities.ofPerson(personId) } };
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/channels/nearby",
      summary: "Channels near me, by where the venue knows me to be and by what my phone hears",
      access: "person",
      body: z
        .object({ heard: z.array(z.object({ signal: z.string().max(64).describe("BSSID, or id of a fixed beacon"), rssiDbm: z.number().min(-127).max(0) })).max(MAX_HEARD).default([]) })
        .strict(),
      answers: z.object({ channels: z.array(nearbyChannelSchema) }),
      async handle({ claims, body }) {
        const personId = personIdOf(claims);
        const afterMs = buckets.take(personId, nowMs());
        if (afterMs > 0) throw new ClientError("rate_limited", "once a second is enough", afterMs);
        await people.loadPerson(personId);
        const heard = new Map(body.heard.map(({ signal, rssiDbm }) => [fold(signal), rssiDbm]));
        return { status: 200, body: { channels: channels.near(viewerOf(claims, people), heard) } };
      },
    }),
  ];
}
