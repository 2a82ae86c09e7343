import { openFusionService, openMqttSource } from "@konferenco/fusion";
import { Closers, untilStopped } from "../closers.ts";
import { exposeFusion } from "../expose.ts";
import { logLine } from "../log.ts";
import { openKeysAt, openStoreAt } from "../open-store.ts";
import { venueOf, type EventOptions, type HealthOption } from "../options.ts";
import { openSchedule } from "../schedule-file.ts";
import { applicationPassword, type Site } from "../site.ts";
import { readSurveys, surveyWords, type SurveyOptions } from "../survey/read-surveys.ts";
import { rotatingTagsOf } from "../tag-names.ts";
import { openHealthServer } from "./health-server.ts";
import { openTagNamesPublisher } from "./tag-names-publisher.ts";

export interface FusionProcessOptions extends EventOptions, HealthOption, SurveyOptions {
  broker: string;
  store: string;
  tagKeys?: string;
}

export async function runFusionProcess(options: FusionProcessOptions, site: Site): Promise<void> {
  const closers = new Closers();
  const { event: eventId } = options;
  try {
    const venue = venueOf(options);
    const schedule = openSchedule(options, venue, Date.now());
    const surveys = readSurveys(options, venue);
    const rotatingTags = options.tagKeys === undefined ? null : rotatingTagsOf(options.tagKeys);
    const keys = await openKeysAt({ url: options.store, dataDir: options.data, keysDir: options.keys, site, log: logLine });
    closers.add("keys", async () => keys.close());
    const store = await openStoreAt({ url: options.store, eventId, venue, dataDir: options.data, keys, nowMs: Date.now, log: logLine });
    closers.add("store", () => store.close());
    const fusion = openFusionService({ eventId, venue, schedule: schedule.first, store, keys, nowMs: Date.now, time: "wall", log: logLine, ...surveys, ...(rotatingTags === null ? {} : { rotatingTags }) });
    closers.add("fusion", () => fusion.close());
    const stopFollowing = schedule.follow((changed) => fusion.setSchedule(changed), logLine);
    closers.add("schedule", async () => stopFollowing());
    const source = await openMqttSource({
      url: options.broker,
      eventId,
      username: "fusion",
      password: applicationPassword(site, "fusion"),
      // The broker has checked who may publish where; an external broker does not tell us who did.
      onMessage: (message) => fusion.ingest({ ...message, gatewayId: null }),
    });
    closers.add("MQTT source", () => source.close());
    if (rotatingTags !== null) {
      const publisher = openTagNamesPublisher({ url: options.broker, eventId, username: "fusion", password: applicationPassword(site, "fusion"), tags: rotatingTags, log: logLine });
      closers.add("tag names", () => publisher.close());
    }
    const health = await openHealthServer({
      host: options.healthHost,
      port: options.healthPort,
      health: async () => {
        await store.ping();
        return fusion.stats();
      },
      expose: (exposition) => exposeFusion(exposition, () => fusion),
    });
    closers.add("health", () => health.close());
    logLine({ event: "fusion ready", broker: options.broker, healthPort: health.port, surveys: surveyWords(surveys, fusion.stats().calibration) });
    await untilStopped(null);
  } finally {
    await closers.close();
  }
}
