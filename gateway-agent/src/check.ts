import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { gatewayStatusTopic } from "@konferenco/protocol";
import { connect } from "mqtt";
import { parseAdvertisement } from "./advertisement.ts";
import type { BleSource } from "./ble-source.ts";
import type { GatewayConfig } from "./config.ts";
import { brokerFault } from "./publisher.ts";
import { newEnrolmentTable, tagOfAdvertisement } from "./tag-id.ts";

/** One thing that must hold before a gateway can be left alone in a hall. `remedy` when it does not. */
export interface CheckResult {
  what: "radio" | "broker" | "clock";
  ok: boolean;
  finding: string;
}

const LISTEN_MS = 5_000;
const BROKER_TIMEOUT_MS = 10_000;

/** Listens for five seconds and says how many devices and how many of the event's tags it heard. */
export async function checkRadio(config: GatewayConfig, source: BleSource, listenMs = LISTEN_MS): Promise<CheckResult> {
  const table = newEnrolmentTable({ eventId: config.eventId, enrolled: config.tags, gatewayMinors: config.gatewayMinors });
  const tags = new Set<string>();
  try {
    await source.start({
      onAdvertisement: ({ address, data }) => {
        const tagId = tagOfAdvertisement(table, address, parseAdvertisement(data).frames);
        if (tagId !== null) tags.add(tagId);
      },
    });
    await new Promise((resolve) => setTimeout(resolve, listenMs));
    const { advertisements } = source.counts();
    const heard = `${advertisements} advertisements in ${listenMs / 1_000} s, ${tags.size} of this event's tags`;
    if (advertisements === 0) return { what: "radio", ok: false, finding: `${heard}: switch a tag or a phone's Bluetooth on beside it; if that changes nothing, restart the Pi` };
    return { what: "radio", ok: true, finding: tags.size === 0 ? `${heard} (is a tag near, and does it carry the identity that --identity shows?)` : heard };
  } catch (error) {
    return { what: "radio", ok: false, finding: (error as Error).message };
  } finally {
    await source.stop();
  }
}

/** Logs in as this gateway and publishes a status, which proves the right to do so: the broker ends the connection otherwise. */
export async function checkBroker(config: GatewayConfig, timeoutMs = BROKER_TIMEOUT_MS): Promise<CheckResult> {
  const { url } = config.broker;
  const client = connect(url, {
    protocolVersion: 4,
    clientId: `${config.gatewayId}/check`,
    username: config.gatewayId,
    password: config.password,
    connectTimeout: timeoutMs,
    reconnectPeriod: 0,
    queueQoSZero: false,
    ...(config.ca === null ? {} : { ca: config.ca }),
  });
  let lastError: Error | null = null;
  let loggedIn = false;
  const fault = await new Promise<string | null>((resolve) => {
    const timeout = setTimeout(() => resolve(`${url} does not answer within ${timeoutMs / 1_000} s`), timeoutMs);
    const done = (finding: string | null) => {
      clearTimeout(timeout);
      resolve(finding);
    };
    client.on("error", (error) => {
      lastError = error;
    });
    client.on("close", () =>
      done(loggedIn && lastError === null ? `the login is right, but the broker ends the connection at the first status: is this gateway registered for event "${config.eventId}"?` : brokerFault(lastError, url)),
    );
    client.on("connect", () => {
      loggedIn = true;
      // Not retained and "offline": a check must not make anybody believe that the gateway works.
      client.publish(gatewayStatusTopic(config.eventId, config.gatewayId), JSON.stringify({ v: 1, gatewayId: config.gatewayId, online: false }), { qos: 1 }, (error) => {
        if (!error) done(null);
      });
    });
  });
  client.end(true);
  if (fault !== null) return { what: "broker", ok: false, finding: fault };
  return { what: "broker", ok: true, finding: `logged in at ${url} as "${config.gatewayId}" and may publish for event "${config.eventId}"` };
}

/** A Pi has no battery clock. TLS needs the right date; positions do not (fusion measures each gateway's offset). */
export async function checkClock(wallMs: number): Promise<CheckResult> {
  const now = new Date(wallMs).toISOString();
  if (wallMs < Date.UTC(2025, 0, 1)) return { what: "clock", ok: false, finding: `it is not ${now}: connect the network and run "sudo timedatectl set-ntp true"` };
  try {
    const { stdout } = await promisify(execFile)("timedatectl", ["show", "--property=NTPSynchronized", "--value"], { timeout: 5_000 });
    if (stdout.trim() === "no") return { what: "clock", ok: false, finding: `${now}, but not synchronised: run "sudo timedatectl set-ntp true" and wait a minute` };
    return { what: "clock", ok: true, finding: `${now}, synchronised` };
  } catch {
    return { what: "clock", ok: true, finding: `${now} (whether it is synchronised cannot be told: no timedatectl)` };
  }
}
