import mqtt, { type MqttClient } from "mqtt";
import { openBroker } from "@konferenco/broker";
import type { Attack } from "./attack.ts";

const EVENT = "attacked";
const FILTERS = ["#", "+/#", "konferenco/#", `konferenco/${EVENT}/#`, `konferenco/${EVENT}/beacon/#`, `konferenco/${EVENT}/beacon/+`, `konferenco/${EVENT}/beacon/room-b`, `konferenco/${EVENT}/beacon/room-a`, `konferenco/${EVENT}/sensor/+`, `konferenco/${EVENT}/alert/+`, `konferenco/${EVENT}/gateway/+/status`, `konferenco/other/beacon/room-a`, "$SYS/#", "$SYS/broker/clients", "$share/g/konferenco/#", `$share/g/konferenco/${EVENT}/beacon/+`];

/** A stolen gateway's login listens, reads what is retained, and publishes for others. */
export const sideDoor: Attack = {
  id: "P16",
  title: "MQTT with a gateway's login",
  async run() {
    const refusedLogged: object[] = [];
    const broker = await openBroker({
      host: "127.0.0.1",
      tcpPort: 0,
      wsPort: null,
      credentials: {
        gateways: [{ gatewayId: "gw-a", password: "password-a", eventId: EVENT, zoneIds: ["room-a"] }, { gatewayId: "gw-b", password: "password-b", eventId: EVENT, zoneIds: ["room-b"] }],
        applications: [{ name: "venue", password: "password-v", eventId: EVENT, rights: ["publish-reports", "publish-sensors", "publish-alerts"] }],
      },
      nowMs: Date.now,
      log: (event) => refusedLogged.push(event),
    });
    const taken: string[] = [];
    broker.attach(({ topic, principal }) => {
      if (principal.kind === "gateway" && principal.gatewayId === "gw-a") taken.push(topic);
    });
    const clients: MqttClient[] = [];
    const connect = (username: string, password: string, clientId = username) => {
      const client = mqtt.connect(`mqtt://127.0.0.1:${broker.tcpPort}`, { username, password, clientId, reconnectPeriod: 0 });
      client.on("error", () => {});
      clients.push(client);
      return client;
    };
    const ready = (client: MqttClient) => new Promise<boolean>((resolve) => client.once("connect", () => resolve(true)).once("close", () => resolve(false)));
    try {
      const owner = connect("gw-b", "password-b");
      await ready(owner);
      await owner.publishAsync(`konferenco/${EVENT}/gateway/gw-b/status`, JSON.stringify({ v: 1, state: "online" }), { qos: 1, retain: true });
      let [granted, heard] = [0, 0];
      for (const [index, filter] of FILTERS.entries()) {
        const thief = connect("gw-a", "password-a", `gw-a/${index}`);
        if (!(await ready(thief))) continue;
        thief.on("message", () => heard++);
        const grants = await thief.subscribeAsync(filter, { qos: 1 }).catch(() => []);
        granted += grants.filter(({ qos }) => qos < 128).length;
        const venue = connect("venue", "password-v", `venue/${index}`);
        if (await ready(venue)) await venue.publishAsync(`konferenco/${EVENT}/beacon/room-b`, "{}", { qos: 1 }).catch(() => undefined);
        venue.end(true);
        thief.end(true);
      }
      // What only others may say.
      for (const topic of [`konferenco/${EVENT}/beacon/room-b`, `konferenco/${EVENT}/alert/emergency`, `konferenco/${EVENT}/gateway/gw-b/status`, "konferenco/other/beacon/room-a", "$SYS/x"]) {
        const thief = connect("gw-a", "password-a", `gw-a/p${taken.length}${Math.abs(topic.length)}`);
        if (await ready(thief)) await Promise.race([thief.publishAsync(topic, "{}", { qos: 1 }).catch(() => undefined), new Promise<void>((resolve) => thief.once("close", () => resolve()))]);
        thief.end(true);
      }
      return { metric: "subscriptions granted, messages heard, foreign publishes taken", value: granted + heard + taken.length, threshold: 0, bound: "most", naive: FILTERS.filter(naiveGrants).length, samples: FILTERS.length + 5 };
    } finally {
      for (const client of clients) client.end(true);
      await broker.close();
    }
  },
};

/** A broker that knows logins and no rights: whatever is a valid filter is granted. */
function naiveGrants(filter: string): boolean {
  return filter.split("/").every((level, index, levels) => level === "+" || (level === "#" ? index === levels.length - 1 : !/[+#]/.test(level)));
}
