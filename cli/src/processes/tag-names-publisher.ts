import mqtt from "mqtt";
import type { RotatingTags } from "@konferenco/fusion";
import { tagNamesTopic } from "@konferenco/protocol";
import { announceTagNames } from "../tag-names.ts";

/** Tells gateways over a broker in another process which changing names are the event's: whenever it is reached, and with each epoch. */
export function openTagNamesPublisher(options: { url: string; eventId: string; username: string; password: string; tags: RotatingTags; log: (event: object) => void }): { close(): Promise<void> } {
  const { tags, log } = options;
  const client = mqtt.connect(options.url, {
    protocolVersion: 4,
    username: options.username,
    password: options.password,
    clientId: `${options.username}/tag-names`,
    // What could not be sent is said anew on the next connection.
    queueQoSZero: false,
    reconnectPeriod: 1_000,
  });
  let announcement: { close(): void } | null = null;
  client.on("connect", () => {
    announcement?.close();
    const publish = async (names: string) => void (await client.publishAsync(tagNamesTopic(options.eventId), names, { qos: 1, retain: true }));
    announcement = announceTagNames({ tags, publish, nowMs: Date.now, log });
  });
  // The MQTT source, on the same broker, tells when it is away.
  client.on("error", () => undefined);
  return {
    close() {
      announcement?.close();
      return client.endAsync(true);
    },
  };
}
