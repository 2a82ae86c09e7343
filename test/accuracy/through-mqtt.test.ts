import { describe, expect, it } from "vitest";
import { formatResult } from "../../cli/src/accuracy/print.ts";
import { runAccuracy } from "../../cli/src/accuracy/run-accuracy.ts";
import { HALL } from "./recordings.ts";

describe("a recording over real MQTT, the bridge and a real WebSocket client", () => {
  it("gives the client exactly the positions of virtual time", async () => {
    const seen: number[] = [];
    const result = await runAccuracy({ recording: HALL, through: "mqtt", speed: 20, onProgress: ({ replayedMs }) => seen.push(replayedMs) });
    expect(result.sameAsVirtualTime).toEqual({ same: true, firstDifference: null });
    expect(result.trace.length).toBeGreaterThan(30);
    expect(seen.length).toBeGreaterThan(1);
    expect(formatResult(result)).toMatch(/the client received exactly the positions of virtual time/);
  });
});
