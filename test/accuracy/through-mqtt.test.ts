import fs from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { formatResult } from "../../cli/src/accuracy/print.ts";
import { runAccuracy } from "../../cli/src/accuracy/run-accuracy.ts";
import { changedRecording, HALL } from "./recordings.ts";

describe("a recording over real MQTT, the bridge and a real WebSocket client", () => {
  it("gives the client exactly the positions of virtual time", async () => {
    const seen: number[] = [];
    const result = await runAccuracy({ recording: HALL, through: "mqtt", speed: 20, onProgress: ({ replayedMs }) => seen.push(replayedMs) });
    expect(result.sameAsVirtualTime).toEqual({ same: true, firstDifference: null });
    expect(result.trace.length).toBeGreaterThan(30);
    expect(seen.length).toBeGreaterThan(1);
    expect(formatResult(result)).toMatch(/the client received exactly the positions of virtual time/);
  });

  it("uses the recording's survey", async () => {
    const survey = fs.readFileSync(path.join(HALL, "observations.csv"), "utf8").trimEnd().split("\n").slice(1, 400);
    const recording = changedRecording(HALL, {});
    // Any levels at six spots will do: what counts is that both ways use them.
    fs.writeFileSync(path.join(recording, "survey.csv"), ["xM,yM,floor,gatewayId,rssiDbm", ...survey.map((row, i) => [3 + (i % 3) * 6, 3 + (i % 2) * 9, 0, row.split(",")[1], row.split(",")[3]].join(","))].join("\n"));
    const result = await runAccuracy({ recording, through: "mqtt", speed: 20 });
    expect(result.funnel.calibration).toMatchObject({ basis: "survey", surveySpots: 6 });
    expect(result.sameAsVirtualTime).toEqual({ same: true, firstDifference: null });
  });
});
