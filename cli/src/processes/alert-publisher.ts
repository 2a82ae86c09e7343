import mqtt from "mqtt";
import { alertTopic, StoreUnavailable, type Alert } from "@konferenco/protocol";

/** How long an operator waits for the broker's word that an alert is safe. */
const PUBLISH_TIMEOUT_MS = 5_000;

/** Sends alerts to a broker in another process, QoS 2. Resolves when the broker has taken the alert over. */
export function openAlertPublisher(options: { url: string; eventId: string; username: string; password: string; log: (event: object) => void }): {
  publish(alert: Alert): Promise<void>;
  close(): Promise<void>;
} {
  const client = mqtt.connect(options.url, {
    protocolVersion: 4,
    username: options.username,
    password: options.password,
    clientId: `${options.username}/${process.pid}`,
    // While offline an alert is refused at once, so that the operator knows; it is not kept for later.
    queueQoSZero: false,
    reconnectPeriod: 1_000,
  });
  let connected: boolean | null = null;
  const tell = (now: boolean, detail?: string) => {
    if (connected !== now) options.log({ event: now ? "alert publisher connected" : "alert publisher lost the broker", detail });
    connected = now;
  };
  client.on("connect", () => tell(true));
  client.on("close", () => tell(false));
  client.on("error", (error) => tell(false, error.message));
  return {
    async publish({ severity, ...alert }) {
      if (!client.connected) throw new StoreUnavailable("the broker cannot be reached: the alert was not sent");
      const sent = client.publishAsync(alertTopic(options.eventId, severity), JSON.stringify({ v: 1, ...alert }), { qos: 2 });
      const late = new Promise<never>((_resolve, reject) => {
        setTimeout(() => reject(new StoreUnavailable("the broker did not confirm the alert within 5 s")), PUBLISH_TIMEOUT_MS).unref();
      });
      await Promise.race([sent, late]);
    },
    close: () => client.endAsync(true),
  };
}
