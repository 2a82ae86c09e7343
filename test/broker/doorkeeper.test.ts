import { describe, expect, it } from "vitest";
import type { AedesPublishPacket, Client, ConnectPacket } from "aedes";
import { brokerLimitsSchema } from "@konferenco/broker";
import { LoginBook } from "../../broker/src/credentials.ts";
import { newDoorkeeper } from "../../broker/src/doorkeeper.ts";
import { Ledger } from "../../broker/src/ledger.ts";
import { CREDENTIALS } from "./helper.ts";

// What no honest path through aedes reaches any more: the second locks.

const doorkeeper = newDoorkeeper({
  logins: new LoginBook(CREDENTIALS),
  limits: brokerLimitsSchema.parse({}),
  ledger: new Ledger(() => {}, () => 0),
  nowMs: () => 0,
  arrivalOf: () => ({ address: "127.0.0.1", transport: "tcp" }),
});

async function logIn(userName: string, password: string): Promise<Client> {
  const client = { id: userName, subscriptions: {} } as unknown as Client;
  const connect = { cmd: "connect", username: userName, clientId: userName, clean: true, keepalive: 60 } as unknown as ConnectPacket;
  doorkeeper.hooks.preConnect(client, connect, () => {});
  const answer = await new Promise<boolean | null>((resolve) => doorkeeper.hooks.authenticate(client, userName, Buffer.from(password), (_error, good) => resolve(good)));
  expect(answer).toBe(true);
  return client;
}

const packetOn = (topic: string) => ({ cmd: "publish", topic, payload: Buffer.from("x"), qos: 0, retain: false, dup: false }) as unknown as AedesPublishPacket;

describe("the second lock", () => {
  it("forwards nothing that the receiver may not read, whatever subscription it came by", async () => {
    const desk = await logIn("desk", "desk-secret");
    expect(doorkeeper.hooks.authorizeForward(desk, packetOn("konferenco/demo/alert/info"))).not.toBeNull();
    expect(doorkeeper.hooks.authorizeForward(desk, packetOn("konferenco/demo/beacon/hall"))).toBeNull();
    expect(doorkeeper.hooks.authorizeForward(desk, packetOn("konferenco/other/alert/info"))).toBeNull();
    expect(doorkeeper.hooks.authorizeForward(desk, packetOn("$SYS/x/new/clients"))).toBeNull();
    const gateway = await logIn("gw-1", "one");
    expect(doorkeeper.hooks.authorizeForward(gateway, packetOn("konferenco/demo/alert/info"))).toBeNull();
  });

  it("takes and gives nothing without a login", () => {
    const stranger = { id: "x", subscriptions: {} } as unknown as Client;
    const answers: unknown[] = [];
    doorkeeper.hooks.authorizePublish(stranger, packetOn("konferenco/demo/alert/info"), (error) => answers.push(error));
    doorkeeper.hooks.authorizePublish(null, packetOn("konferenco/demo/alert/info"), (error) => answers.push(error));
    doorkeeper.hooks.authorizeSubscribe(stranger, { topic: "konferenco/demo/alert/info", qos: 0 }, (_error, granted) => answers.push(granted));
    expect(answers).toEqual([expect.any(Error), expect.any(Error), null]);
    expect(doorkeeper.hooks.authorizeForward(stranger, packetOn("konferenco/demo/alert/info"))).toBeNull();
  });
});
