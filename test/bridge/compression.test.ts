import { afterEach, describe, expect, it } from "vitest";
import { deflateRawSync } from "node:zlib";
import { MAX_CLIENT_FRAME_BYTES } from "@konferenco/protocol";
import { openTestBridge, type TestBridge, type TestClient } from "./support/harness.ts";

let test: TestBridge;
afterEach(() => test.close());

/** People enough for a snapshot of more than 1 KB. */
async function crowded(maxCompressed: number): Promise<TestBridge> {
  test = await openTestBridge({ limits: { maxCompressed, pingEveryMs: 50 } });
  for (let n = 0; n < 40; n++) {
    await test.addPerson(`p${n}`, { tagId: `t${n}` });
    await test.enter(`t${n}`);
    await test.move(`t${n}`);
  }
  return test;
}

const bytesReadBy = (client: TestClient): number => (client.socket as unknown as { _socket: { bytesRead: number } })._socket.bytesRead;
const bytesToldTo = (client: TestClient): number => client.frames.reduce((sum, frame) => sum + JSON.stringify(frame).length, 0);

describe("compression", () => {
  it("nobody has it without being told so", async () => {
    await crowded(0);
    expect((await test.client("operator")).socket.extensions).toBe("");
  });

  it("is for so many who offer it; the next is served without, until one leaves", async () => {
    await crowded(1);
    const clients = await Promise.all([1, 2, 3, 4].map(() => test.client("operator")));
    const [first] = clients.filter(({ socket }) => socket.extensions === "permessage-deflate") as [TestClient];
    expect(clients.filter((client) => client !== first).map(({ socket }) => socket.extensions)).toEqual(["", "", ""]);
    expect(await (await fetch(`${test.bridge.url}/metrics`)).text()).toContain("bridge_compressed_connections 1");
    first.socket.close();
    await first.closed;
    await expect.poll(async () => (await fetch(`${test.bridge.url}/metrics`)).text(), { timeout: 20_000 }).toContain("bridge_compressed_connections 0");
    expect((await test.client("operator")).socket.extensions).toBe("permessage-deflate");
  });

  it("makes a snapshot shorter, and says the same in the same order as without", async () => {
    await crowded(1);
    const clients = [await test.client("operator"), await test.client("operator")] as const;
    for (const client of clients) expect(await client.subscribe("venue")).toMatchObject({ op: "ok" });
    for (let n = 0; n < 40; n++) await test.enter(`t${n}`, "room-b");
    const [compressed, plain] = clients;
    const moves = (client: TestClient) => client.events.filter(({ event }) => event.t === "zone.enter").map(({ s, event }) => [s, event.d]);
    for (const client of clients) await client.until(() => moves(client).length >= 40, 20_000);
    expect(moves(compressed)).toEqual(moves(plain));
    expect([compressed.holes, plain.holes]).toEqual([0, 0]);
    expect(bytesReadBy(plain)).toBeGreaterThan(bytesToldTo(plain));
    expect(bytesReadBy(compressed)).toBeLessThan(0.8 * bytesToldTo(compressed));
  });

  it("closes on a message that would swell beyond the limit of a frame", async () => {
    await crowded(1);
    const client = await test.client("operator");
    const bomb = deflateRawSync(Buffer.alloc(64 * MAX_CLIENT_FRAME_BYTES, 0x20), { finishFlush: 2 }).subarray(0, -4);
    const { _socket: tcp } = client.socket as unknown as { _socket: { write: (bytes: Buffer) => void } };
    const header = Buffer.alloc(8);
    header[0] = 0xc1; // FIN, RSV1, text
    header[1] = 0x80 | 126;
    header.writeUInt16BE(bomb.length, 2); // mask of four zeros: the payload as it is
    tcp.write(Buffer.concat([header, bomb]));
    expect((await client.closed).code).toBe(1009);
  });
});
