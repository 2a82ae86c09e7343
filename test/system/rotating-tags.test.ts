import fs from "node:fs";
import path from "node:path";
import { newRotatingTags, parseTagKeys, ephemeralId } from "@konferenco/fusion";
import { beaconTopic, headOfEphemeral, parseTagNames, tagNamesTopic, tagOfEphemeral } from "@konferenco/protocol";
import { connect } from "@konferenco/client";
import mqtt from "mqtt";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { twoRooms } from "../fusion/venues.ts";
import { konferenco, temporaryFolder } from "../support/konferenco.ts";

const venue = twoRooms();

describe("tags that change their names", () => {
  it("get keys by a command, are announced to gateways, and come out under their lasting name", async () => {
    const folder = temporaryFolder("rotating");
    const keyFile = path.join(folder, "keys.json");
    const made = konferenco(["tag-keys", "--count", "3", "--exponent", "6", "--out", keyFile]);
    expect(await made.exited).toBe(0);
    expect(made.stdout()).toContain("names change every 64 s");
    expect(fs.statSync(keyFile).mode & 0o077).toBe(0);
    const again = konferenco(["tag-keys", "--count", "3", "--out", keyFile]);
    expect(await again.exited).toBe(2);
    expect(again.stderr()).toContain("is there already");

    const venueFile = path.join(folder, "venue.json");
    fs.writeFileSync(venueFile, JSON.stringify(venue));
    const data = path.join(folder, "data");
    const run = konferenco(["up", "--port", "0", "--mqtt-port", "0", "--mqtt-ws-port", "0", "--data", data, "--venue", venueFile, "--no-simulation", "--tag-keys", keyFile]);
    const ready = await run.line<{ mqtt: string; url: string; logins: Record<string, { password: string }> }>((line) => line["event"] === "ready");
    const { gateways } = JSON.parse(fs.readFileSync(path.join(data, "site.json"), "utf8")) as { gateways: Record<string, string> };
    const gateway = await mqtt.connectAsync(ready.mqtt, { protocolVersion: 4, username: "left-middle", password: gateways["left-middle"] as string, clientId: "left-middle" });
    onTestFinished(() => gateway.endAsync(true));
    const announced: Uint8Array[] = [];
    gateway.on("message", (_topic, payload) => announced.push(payload));
    await gateway.subscribeAsync(tagNamesTopic("demo"), { qos: 1 });
    await vi.waitFor(() => expect(announced.length).toBeGreaterThan(0));

    const keys = parseTagKeys(JSON.parse(fs.readFileSync(keyFile, "utf8")), keyFile);
    const name = ephemeralId(Buffer.from(keys.tags[1]?.identityKeyHex ?? "", "hex"), Math.floor((Date.now() - keys.counterZeroAtMs) / 1_000), 6);
    const heads = parseTagNames(announced[0] as Uint8Array);
    expect(heads).toMatchObject({ ok: true });
    expect(heads.ok && heads.value.has(headOfEphemeral(name))).toBe(true);
    expect(newRotatingTags(keys).tagOf(name, Date.now())).toBe("tag-2");

    const session = await fetch(`${ready.url}/api/v1/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ login: "operator", password: ready.logins["operator"]?.password }) });
    const { token } = (await session.json()) as { token: string };
    const entered: unknown[] = [];
    const client = connect({
      url: `${ready.url.replace("http", "ws")}/events`, token, channels: [{ ch: "venue" }], WebSocket, onState: () => undefined,
      onEvent: (event) => void (event.t === "zone.enter" && entered.push(event.d)),
    });
    onTestFinished(() => client.close());
    let seq = 0;
    // Two names on the air, one of them ours.
    const report = async () => {
      const heardAtMs = Date.now();
      const rows = { tagId: [tagOfEphemeral(name), "eid:0123456789abcdef"], rssiDbm: [-50, -50], heardAtMs: [heardAtMs, heardAtMs] };
      await gateway.publishAsync(beaconTopic("demo", "left"), JSON.stringify({ v: 1, gatewayId: "left-middle", bootId: "b", seq: seq++, sentAtMs: heardAtMs, ...rows }));
    };
    await vi.waitFor(async () => {
      await report();
      expect(entered).toHaveLength(1);
    }, { interval: 250 });
    expect(entered).toMatchObject([{ subj: { tagId: "tag-2" }, zoneId: "left" }]);
    const files = fs.readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) expect(fs.readFileSync(path.join(file.parentPath, file.name), "latin1")).not.toContain("eid:");
    expect(await run.stop()).toBe(0);
  });
});
