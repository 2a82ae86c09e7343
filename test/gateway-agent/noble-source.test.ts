import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Advertisement, BleState } from "../../gateway-agent/src/ble-source.ts";
import { parseAdvertisement } from "../../gateway-agent/src/advertisement.ts";
import { newNobleSource, remedyFor, type NobleSourceConfig } from "../../gateway-agent/src/noble-source.ts";
import { eventIdentity } from "../../gateway-agent/src/tag-id.ts";
import { advertisingReport, ibeaconData, installFakeController, type FakeController } from "./fake-hci-socket.ts";
import { readVectors, SMALL_SET, WHOLE_SET } from "./vectors.ts";

const SCAN_PARAMETERS = 0x200b;
const SCAN_ENABLE = 0x200c;
const EXTENDED_SCAN_PARAMETERS = 0x2041;
const EXTENDED_SCAN_ENABLE = 0x2042;
const ONE_BEACON = advertisingReport("c0:ff:ee:00:00:01", ibeaconData("a495bb10-c5b1-4b44-b512-1370f02d74de", 1, 2), -60);

let controller: FakeController;
let closers: (() => Promise<void>)[];
beforeEach(() => {
  controller = installFakeController();
  closers = [];
});
afterEach(async () => {
  for (const close of closers) await close();
});

function open(change: Partial<NobleSourceConfig> = {}) {
  const heard: (Advertisement & { hex: string })[] = [];
  const states: BleState[] = [];
  const logged: object[] = [];
  const source = newNobleSource({
    hciDevice: null, scan: "passive", scanIntervalMs: 100, scanWindowMs: 100, quietRestartMs: 60_000, ownBeacon: null,
    nowMs: () => performance.now(), log: (event) => logged.push(event), listAdapters: () => ["hci0"], ...change,
  });
  closers.push(() => source.stop());
  const handlers = {
    onAdvertisement: (advertisement: Advertisement) => heard.push({ ...advertisement, hex: Buffer.from(advertisement.data).toString("hex") }),
    onState: (state: BleState) => states.push(state),
  };
  return { source, heard, states, logged, start: () => source.start(handlers) };
}

describe("real advertising reports through noble's HCI layer", () => {
  function replay(file: string) {
    const vectors = readVectors(file);
    return { vectors, run: async () => {
      const radio = open();
      await radio.start();
      for (const { hex } of vectors) controller.say(hex);
      return radio;
    } };
  }

  it("each of the twelve in the repository is heard once, with its RSSI, and none disturbs another", async () => {
    const { vectors, run } = replay(SMALL_SET);
    const { heard, source } = await run();
    expect(heard.map((advertisement) => advertisement.rssiDbm)).toEqual(vectors.map((vector) => vector.rssiDbm));
    expect(source.counts()).toEqual({ advertisements: vectors.length, badFrames: 0, scanRestarts: 0 });
    const named = heard.flatMap(({ address, data }) => parseAdvertisement(Buffer.from(data)).frames.map((frame) => ({ address, ...frame })));
    expect(named).toEqual([
      { address: "a4:c1:38:24:6c:11", kind: "ibeacon", uuid: "494e5445-4c4c-495f-524f-434b535f4857", major: 0x5075, minor: 0xf2ff, powerAt1mDbm: -62 },
      { address: "c6:b5:45:f6:f1:8e", kind: "ibeacon", uuid: "494e5445-4c4c-495f-524f-434b535f4857", major: 0x5075, minor: 0xf2ff, powerAt1mDbm: 12 },
      { address: "c6:b5:45:f6:f1:8e", kind: "ibeacon", uuid: "9976aed5-f58c-49af-85eb-d0ac7281e3f6", major: 0x271b, minor: 0x4cb9, powerAt1mDbm: 0x24 },
      { address: "d2:f3:b4:cd:1e:4b", kind: "ibeacon", uuid: "ebefd083-70a2-47c8-9837-e7b5634df525", major: 0x7420, minor: 0x591a, powerAt1mDbm: -53 },
      { address: "c8:b0:4c:aa:e6:65", kind: "ibeacon", uuid: "ebefd083-70a2-47c8-9837-e7b5634df525", major: 0x632e, minor: 0x5535, powerAt1mDbm: -52 },
      { address: "d0:cf:5e:03:97:18", kind: "ibeacon", uuid: "ffffffff-0b8c-4045-10c6-55aab636ebef", major: 0xbb70, minor: 0x0055, powerAt1mDbm: 2 },
      { address: "04:a3:16:9b:09:5a", kind: "ibeacon", uuid: "a495bb10-c5b1-4b44-b512-1370f02d74de", major: 68, minor: 1016, powerAt1mDbm: -59 },
    ]);
  });

  it("all 283 of the collection, where it lies beside the repository", async () => {
    if (!fs.existsSync(WHOLE_SET)) {
      console.info("the 283 reports are not beside this repository: the twelve above stand for them");
      return;
    }
    const { vectors, run } = replay(WHOLE_SET);
    const { heard, source } = await run();
    expect(vectors).toHaveLength(283);
    expect(heard.map((advertisement) => advertisement.rssiDbm)).toEqual(vectors.map((vector) => vector.rssiDbm));
    expect(source.counts().badFrames).toBe(0);
    const frames = heard.flatMap(({ data }) => parseAdvertisement(Buffer.from(data)).frames);
    // 15 iBeacons in the hex by eye (grep 4c000215); of the Eddystone-like ones none is a UID, EID or plain TLM.
    expect(frames.filter((frame) => frame.kind === "ibeacon")).toHaveLength(15);
    expect(frames.filter((frame) => frame.kind !== "ibeacon")).toEqual([]);
  });
});

describe("what noble's own peripheral cache gets wrong", () => {
  it("a tag that alternates iBeacon and Eddystone is heard as what it sent each time", async () => {
    const { heard, start } = open();
    await start();
    const eddystone = "0303aafe1716aafe00ee00112233445566778899aabbccddeeff0000";
    controller.say(ONE_BEACON);
    controller.say(advertisingReport("c0:ff:ee:00:00:01", eddystone, -61));
    controller.say(ONE_BEACON);
    expect(heard.map(({ data }) => parseAdvertisement(Buffer.from(data)).frames.map((frame) => frame.kind))).toEqual([["ibeacon"], ["eddystone-uid"], ["ibeacon"]]);
  });

  it("a connectable tag is heard from its first report on", async () => {
    const { heard, start } = open();
    await start();
    controller.say(ONE_BEACON.replace("02010301", "02010001"));
    expect(heard).toHaveLength(1);
  });

  it("two extended reports in one event keep their bytes apart", async () => {
    const { heard, start, source } = open();
    await start();
    const report = (address: string, rssi: string, data: string) => `130000${address}0100ff7f${rssi}000000000000000000${(data.length / 2).toString(16).padStart(2, "0")}${data}`;
    const both = report("010000eeffc0", "c4", "020106") + report("020000eeffc0", "c0", "02011a");
    controller.say(`043e${((both.length + 4) / 2).toString(16).padStart(2, "0")}0d02${both}`);
    expect(heard.map(({ address, rssiDbm, hex }) => ({ address, rssiDbm, hex }))).toEqual([
      { address: "c0:ff:ee:00:00:01", rssiDbm: -60, hex: "020106" },
      { address: "c0:ff:ee:00:00:02", rssiDbm: -64, hex: "02011a" },
    ]);
    expect(source.counts().badFrames).toBe(0);
  });
});

describe("damaged frames", () => {
  it.each([["a legacy report", ONE_BEACON], ["an extended report", readVectors(SMALL_SET).find((vector) => vector.extended)?.hex ?? ""]])("%s cut at any length costs only itself", async (_name, hex) => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const { heard, start, source } = open();
    await start();
    const whole = Buffer.from(hex, "hex");
    for (let length = 0; length < whole.length; length++) controller.say(whole.subarray(0, length).toString("hex"));
    expect(heard).toEqual([]);
    expect(source.counts().badFrames).toBeGreaterThan(30);
    controller.say(hex);
    expect(heard).toHaveLength(1);
    expect(source.state()).toEqual({ kind: "scanning" });
    warn.mockRestore();
  });
});

describe("scanning", () => {
  it("is passive, all the time, and reports every advertisement", async () => {
    const { start, states } = open();
    await start();
    expect(controller.commandsOf(SCAN_PARAMETERS).at(-1)).toBe("010b200700a000a0000000");
    expect(controller.commandsOf(SCAN_ENABLE).at(-1)).toBe("010c20020100");
    expect(states).toEqual([{ kind: "scanning" }]);
  });

  it("is active, half of the time, when told so", async () => {
    const { start } = open({ scan: "active", scanIntervalMs: 100, scanWindowMs: 50 });
    await start();
    expect(controller.commandsOf(SCAN_PARAMETERS).at(-1)).toBe("010b200701a00050000000");
  });

  it("goes on with extended commands where the kernel has used those before", async () => {
    controller.status = (opcode) => (opcode === SCAN_PARAMETERS || opcode === SCAN_ENABLE ? 0x0c : 0);
    const { start, source } = open();
    await start();
    expect(controller.commandsOf(EXTENDED_SCAN_PARAMETERS)).toHaveLength(1);
    expect(controller.commandsOf(EXTENDED_SCAN_ENABLE).at(-1)).toBe("01422006010000000000");
    expect(source.state().kind).toBe("scanning");
  });

  it("is restarted when nothing at all is heard for a while, and says so until something is", async () => {
    const { start, states, source } = open({ quietRestartMs: 60 });
    await start();
    const before = controller.commandsOf(SCAN_ENABLE).length;
    await vi.waitFor(() => expect(source.counts().scanRestarts).toBeGreaterThanOrEqual(2));
    expect(controller.commandsOf(SCAN_ENABLE).length).toBeGreaterThanOrEqual(before + 2);
    expect(source.state()).toEqual({ kind: "quiet" });
    controller.say(ONE_BEACON);
    expect(states.map((state) => state.kind)).toEqual(["scanning", "quiet", "scanning"]);
  });

  it("is not restarted while tags are heard", async () => {
    const { start, source } = open({ quietRestartMs: 80 });
    await start();
    for (let i = 0; i < 20; i++) {
      controller.say(ONE_BEACON);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(source.counts().scanRestarts).toBe(0);
  });

  it("is taken back from another program that stopped or thinned it", async () => {
    const { start, source } = open();
    await start();
    const before = controller.commandsOf(SCAN_ENABLE).length;
    controller.say("010c20020101"); // somebody else: scan, but filter duplicates
    controller.say("010c20020000"); // somebody else: stop
    // A restart is counted when it begins; its commands, stop and start, follow one by one.
    await vi.waitFor(() => expect(controller.commandsOf(SCAN_ENABLE).slice(before)).toEqual(["010c20020001", "010c20020100"]));
    expect(source.counts().scanRestarts).toBe(1);
  });

  it("comes back by itself when the adapter was switched off and on", async () => {
    const { start, source, states, heard } = open();
    await start();
    controller.up = false;
    await vi.waitFor(() => expect(source.state().kind).toBe("down"), { timeout: 5_000 });
    expect(source.state()).toMatchObject({ remedy: expect.stringContaining("rfkill unblock") as string });
    controller.up = true;
    await vi.waitFor(() => expect(source.state().kind).toBe("scanning"), { timeout: 5_000 });
    controller.say(ONE_BEACON);
    expect(heard).toHaveLength(1);
    expect(states.map((state) => state.kind)).toEqual(["scanning", "down", "scanning"]);
  });

  it("an adapter that is pulled out does not end the agent", async () => {
    const { start, source } = open();
    await start();
    controller.faults.isDevUp = Object.assign(new Error("ENODEV, No such device"), { code: "ENODEV" });
    await vi.waitFor(() => expect(source.state().kind).toBe("down"), { timeout: 5_000 });
    delete controller.faults.isDevUp;
    controller.up = false;
    await vi.waitFor(() => expect(source.state()).toMatchObject({ remedy: expect.stringContaining("off") as string }), { timeout: 5_000 });
    controller.up = true;
    await vi.waitFor(() => expect(source.state().kind).toBe("scanning"), { timeout: 5_000 });
  });

  it("stops when told, and leaves the controller quiet", async () => {
    const { start, source, heard } = open();
    await start();
    await source.stop();
    expect(controller.commandsOf(SCAN_ENABLE).at(-1)).toBe("010c20020001");
    expect(controller.stopped).toBe(true);
    controller.say(ONE_BEACON);
    expect(heard).toEqual([]);
    expect(source.state()).toEqual({ kind: "stopped" });
  });

  it("leaves the keyboard's Ctrl-C to the process: noble's own handler would end it without a farewell", async () => {
    const before = process.listenerCount("SIGINT");
    await open().start();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });
});

describe("a gateway's own beacon", () => {
  it("is the event's iBeacon with the gateway major", async () => {
    const { ibeaconUuid } = eventIdentity("demo");
    const { start } = open({ ownBeacon: { uuid: ibeaconUuid, major: 0xffff, minor: 7, powerAt1mDbm: -59, intervalMs: 1_000 } });
    await start();
    expect(controller.commandsOf(0x2006)).toEqual(["0106200f4006400603" + "00".repeat(8) + "0700"]);
    const [data] = controller.commandsOf(0x2008);
    expect(data?.slice(0, 10)).toBe("010820201e");
    expect(parseAdvertisement(Buffer.from((data as string).slice(10, 70), "hex"))).toEqual({ frames: [{ kind: "ibeacon", uuid: ibeaconUuid, major: 0xffff, minor: 7, powerAt1mDbm: -59 }], truncated: false });
    expect(controller.commandsOf(0x200a)).toEqual(["010a200100", "010a200101"]);
  });

  it("that the controller refuses does not keep the gateway from hearing", async () => {
    controller.status = (opcode) => (opcode === 0x200a ? 0x0c : 0);
    const { start, source, logged } = open({ ownBeacon: { uuid: eventIdentity("demo").ibeaconUuid, major: 0xffff, minor: 7, powerAt1mDbm: -59, intervalMs: 1_000 } });
    await start();
    expect(source.state().kind).toBe("scanning");
    expect(logged).toEqual([{ event: "own-beacon-refused", hciStatus: 0x0c }]);
  });
});

describe("a machine that cannot listen says in one line what to do", () => {
  async function complaint(change: Partial<NobleSourceConfig> = {}): Promise<string> {
    const error = await open({ startTimeoutMs: 50, commandTimeoutMs: 50, ...change }).start().then(() => null, (reason: unknown) => reason as Error);
    expect(error).toMatchObject({ code: "BLE_UNAVAILABLE" });
    expect(error?.message).not.toContain("\n");
    return error?.message ?? "";
  }
  const fault = (message: string, code: string) => Object.assign(new Error(message), { code });

  it("no adapter", async () => expect(await complaint({ listAdapters: () => [] })).toMatch(/no Bluetooth adapter: plug one in/));
  it("another adapter than the settings name", async () => expect(await complaint({ hciDevice: 1 })).toMatch(/hci1 is not there, but hci0: set "hciDevice"/));
  it("a kernel without Bluetooth", async () => {
    controller.faults.open = fault("EAFNOSUPPORT, Address family not supported by protocol", "EAFNOSUPPORT");
    expect(await complaint()).toMatch(/kernel has no Bluetooth: run the gateway on a Raspberry Pi/);
  });
  it("no right to open the socket", async () => {
    controller.faults.bind = fault("EPERM, Operation not permitted", "EPERM");
    expect(await complaint()).toMatch(/sudo setcap cap_net_raw,cap_net_admin\+eip/);
  });
  it("the adapter is gone when it is bound", async () => {
    controller.faults.bind = fault("ENODEV, No such device", "ENODEV");
    expect(await complaint()).toMatch(/no Bluetooth adapter/);
  });
  it("the adapter is off", async () => {
    controller.up = false;
    expect(await complaint()).toMatch(/adapter is off: run "sudo rfkill unblock bluetooth/);
  });
  it("the adapter does not answer", async () => {
    controller.silent = true;
    expect(await complaint()).toMatch(/does not answer: run "sudo systemctl restart bluetooth"/);
  });
  it("the adapter refuses to scan", async () => {
    controller.status = (opcode) => (opcode === SCAN_ENABLE ? 0x1f : 0);
    expect(await complaint()).toMatch(/refuses to scan \(HCI status 31\)/);
  });
  it("the native part is not built, or for another Node", () => {
    const unbuilt = fault("Cannot find module '../build/Release/bluetooth_hci_socket.node'\nRequire stack:\n- …", "MODULE_NOT_FOUND");
    expect(remedyFor(unbuilt)).toMatch(/run "npm rebuild @abandonware\/bluetooth-hci-socket"/);
    expect(remedyFor(fault("The module was compiled against a different Node.js version", "ERR_DLOPEN_FAILED"))).toMatch(/npm rebuild/);
  });
  it("noble was left out of the installation", () => {
    expect(remedyFor(fault("Cannot find package '@abandonware/noble'", "ERR_MODULE_NOT_FOUND"))).toMatch(/run "npm install" without --omit=optional/);
  });
});
