import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { writePing, writeText } from "../../bridge/src/ws-frame.ts";

const sockets: net.Socket[] = [];
const server = net.createServer();

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

/** Both ends of a connection. */
async function pair(): Promise<{ ours: net.Socket; theirs: net.Socket }> {
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  const theirs = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  const [ours] = (await once(server, "connection")) as [net.Socket];
  sockets.push(ours, theirs);
  return { ours, theirs };
}

/** Frames as they stand in the bytes. */
function framesIn(bytes: Buffer): { kind: number; text: string }[] {
  const frames: { kind: number; text: string }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const short = bytes[at + 1] as number;
    const [length, from] = short < 126 ? [short, at + 2] : short === 126 ? [bytes.readUInt16BE(at + 2), at + 4] : [Number(bytes.readBigUInt64BE(at + 2)), at + 10];
    frames.push({ kind: bytes[at] as number, text: bytes.toString("latin1", from, from + length) });
    at = from + length;
  }
  return frames;
}

async function readAll({ ours, theirs }: { ours: net.Socket; theirs: net.Socket }): Promise<{ kind: number; text: string }[]> {
  const chunks: Buffer[] = [];
  theirs.on("data", (chunk: Buffer) => chunks.push(chunk));
  ours.end();
  await once(theirs, "end");
  return framesIn(Buffer.concat(chunks));
}

describe("frames on a bare socket", () => {
  it("of every length have their header, and pings stand between them", async () => {
    const both = await pair();
    const lengths = [0, 1, 125, 126, 4_000, 4_092, 4_093, 65_535, 65_536, 100_000];
    for (const length of lengths) {
      writeText(both.ours, "h".repeat(Math.min(3, length)), "t".repeat(Math.max(0, length - 3)));
      writePing(both.ours, String(length));
    }
    const frames = await readAll(both);
    expect(frames.filter(({ kind }) => kind === 0x81).map(({ text }) => text.length)).toEqual(lengths);
    expect(frames.filter(({ kind }) => kind === 0x89).map(({ text }) => Number(text))).toEqual(lengths);
  });

  it("arrive whole and in order where nobody reads for a while, whatever others are sent meanwhile", async () => {
    const [slow, quick] = [await pair(), await pair()];
    quick.theirs.resume();
    const sent: string[] = [];
    // Until far more waits than kernels take.
    for (let n = 0; slow.ours.writableLength < 200_000; n++) {
      sent.push(`${n}:${"s".repeat(1_500)}`);
      writeText(slow.ours, `${n}:`, "s".repeat(1_500));
      writeText(quick.ours, `${n}:`, "q".repeat(1_500));
      if (n % 64 === 0) await new Promise(setImmediate);
    }
    expect((await readAll(slow)).map(({ text }) => text)).toEqual(sent);
  });
});
