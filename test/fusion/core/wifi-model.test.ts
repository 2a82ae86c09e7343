import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { ConfigError, type WifiScan } from "@konferenco/protocol";
import { newRandom, newWifiFloor, type WifiFloor, type WifiRow } from "@konferenco/simulators";
import { growWifiForest } from "../../../fusion/src/core/wifi-forest.ts";
import { locateByFingerprint } from "../../../fusion/src/core/wifi-fix.ts";
import { buildWifiModel, fingerprintFor, formatWifiModel, parseWifiModel, type WifiModel } from "../../../fusion/src/core/wifi-model.ts";
import { invert } from "../../../fusion/src/core/wifi-interpolation.ts";
import { newWifiKnn } from "../../../fusion/src/core/wifi-knn.ts";
import { summarise } from "../../../fusion/src/core/wifi-posterior.ts";
import { newWifiRadioMap, offsetDbOf, type DeviceOffset } from "../../../fusion/src/core/wifi-radio-map.ts";
import { surveyOfRows } from "../../../fusion/src/core/wifi-survey.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";

const SURVEYOR = { offsetDb: 0, slope: 1 };
const OTHER_PHONE = { offsetDb: -6, slope: 0.95 };

let floor: WifiFloor;
let model: WifiModel;

beforeAll(() => {
  floor = newWifiFloor({ seed: "test", boxes: 12, roomsPerSide: 5 });
  model = buildWifiModel(surveyOfRows(floor.survey));
});

const columns = (scan: readonly WifiRow[]) => ({ bssid: scan.map((row) => row.bssid), rssiDbm: scan.map((row) => row.rssiDbm) });

function errorsOf(phone: typeof SURVEYOR, locate: (scan: { bssid: string[]; rssiDbm: number[] }) => { xM: number; yM: number } | null): number[] {
  return floor
    .walk({ seed: "errors", phone, scans: 100 })
    .map((at) => {
      const found = locate(columns(at.scan));
      return found === null ? 10 : Math.hypot(found.xM - at.xM, found.yM - at.yM);
    })
    .sort((a, b) => a - b);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const byModel = (scan: { bssid: string[]; rssiDbm: number[] }) => model.locate(fingerprintFor(model, scan))?.estimate ?? null;

describe("a surveyed office floor", () => {
  it("finds a phone that is not the surveyor's within 1.9 m on average and 4.5 m in 95 of 100 single scans", () => {
    const errors = errorsOf(OTHER_PHONE, byModel);
    expect(mean(errors)).toBeLessThan(1.9);
    expect(errors[95]).toBeLessThan(4.5);
  });

  it("is read better by the chosen model than by four nearest neighbours", () => {
    const neighbours = newWifiKnn(model.survey);
    const plain = errorsOf(OTHER_PHONE, (scan) => summarise(neighbours.locate(fingerprintFor(model, scan)) as NonNullable<ReturnType<typeof neighbours.locate>>));
    expect(mean(errorsOf(OTHER_PHONE, byModel))).toBeLessThan(mean(plain));
  });

  it("states a radius that holds the truth in about 95 of 100 scans", () => {
    const walks = [OTHER_PHONE, SURVEYOR, { offsetDb: 5, slope: 1.08 }].flatMap((phone, seed) => floor.walk({ seed, phone, scans: 80 }));
    const inside = walks.filter((at) => {
      const found = model.locate(fingerprintFor(model, columns(at.scan)));
      return found !== null && Math.hypot(found.estimate.xM - at.xM, found.estimate.yM - at.yM) <= found.accuracy95M;
    });
    expect(inside.length / walks.length).toBeGreaterThan(0.92);
    expect(inside.length / walks.length).toBeLessThan(1);
  });

  it("says which method it chose, and the figures of all", () => {
    const { figures, chosen } = model.report as NonNullable<WifiModel["report"]>;
    expect(new Set(figures.map(({ method }) => method))).toEqual(new Set(["forest", "neighbours", "radio-map", "radio-map+forest", "radio-map+neighbours"]));
    const cost = (name: string) => Math.min(...figures.filter(({ method }) => method === name).map(({ meanM, p95M }) => meanM + p95M / 4));
    expect(cost(chosen)).toBe(Math.min(...["forest", "radio-map", "radio-map+forest", "radio-map+neighbours"].map(cost)));
  });

  it("read from its file locates every scan as before, to the bit", () => {
    const again = parseWifiModel(formatWifiModel(model), "office.wifi.json");
    expect(again.report).toEqual(model.report);
    for (const { scan } of floor.walk({ seed: "file", phone: OTHER_PHONE, scans: 10 })) {
      expect(again.locate(fingerprintFor(again, columns(scan)))).toEqual(model.locate(fingerprintFor(model, columns(scan))));
    }
  });

  it.each([
    ["is no JSON", () => "{", /not a Wi-Fi model/],
    ["is something else", () => "{}", /lacks "kind"/],
    ["is of a later version", () => formatWifiModel(model).replace('"v":1', '"v":2'), /version is 2/],
    ["names an access point that is not there", () => formatWifiModel(model).replace(/"scans":\[\[0,\[\d+/, '"scans":[[0,[99999'), /scan of its survey is damaged/],
  ])("from a file that %s is refused with the remedy", (_, text, why) => {
    expect(() => parseWifiModel(text(), "office.wifi.json")).toThrow(ConfigError);
    expect(() => parseWifiModel(text(), "office.wifi.json")).toThrow(why);
  });

  it("does not know a scan of strangers", () => {
    expect(byModel({ bssid: ["ff:00:00:00:00:01"], rssiDbm: [-40] })).toBeNull();
  });

  it("of a handful of points has a radio map without a contest", () => {
    const few = buildWifiModel(surveyOfRows(floor.survey.filter(({ xM, yM }) => xM < 6 && yM < 3)));
    expect(few.settings.method).toBe("radio-map");
    expect(few.report?.figures).toEqual([]);
  });
});

describe("a phone whose radio hears louder or quieter", () => {
  it("shows it, scan by scan", () => {
    const map = newWifiRadioMap(model.survey);
    for (const offsetDb of [-9, 9]) {
      let offset: DeviceOffset | undefined;
      for (const { scan } of floor.walk({ seed: "offset", phone: { offsetDb, slope: 1 }, scans: 12 })) offset = map.locate(fingerprintFor(model, columns(scan)), 0.35, offset)?.offset;
      expect(Math.sign(offsetDbOf(offset as DeviceOffset))).toBe(Math.sign(offsetDb));
      expect(Math.abs(offsetDbOf(offset as DeviceOffset))).toBeGreaterThan(2.5);
    }
  });
});

describe("access points that are often missing, however near", () => {
  it("do not put anybody far from them", () => {
    const luck = newRandom("unsteady");
    const shares = new Map(model.survey.bssids.map((bssid) => [bssid, luck.next() < 0.6 ? luck.between(0.3, 0.7) : 1]));
    const isHeard = ({ bssid }: WifiRow) => luck.next() < (shares.get(bssid) ?? 1);
    const unsteady = buildWifiModel(surveyOfRows(floor.survey.filter(isHeard)));
    const errorsM = floor.walk({ seed: "unsteady", phone: SURVEYOR, scans: 100 }).map((at) => {
      const found = unsteady.locate(fingerprintFor(unsteady, columns(at.scan.filter(isHeard))))?.estimate;
      return found === undefined ? 10 : Math.hypot(found.xM - at.xM, found.yM - at.yM);
    });
    expect(unsteady.settings.method).toBe("radio-map");
    expect(mean(errorsM)).toBeLessThan(1.9);
  });
});

describe("two floors with access points of their own", () => {
  it("are told apart by forest, radio map and model alike", () => {
    const upper = newWifiFloor({ seed: "upper", boxes: 5, roomsPerSide: 3, floor: 1, boxPrefix: 1 });
    const lower = newWifiFloor({ seed: "lower", boxes: 5, roomsPerSide: 3, floor: 0, boxPrefix: 0 });
    const heardAt = (xM: number, yM: number, onFloor: number, luck: ReturnType<typeof newRandom>) => [...upper.scanAt(xM, yM, 0, SURVEYOR, luck, onFloor), ...lower.scanAt(xM, yM, 0, SURVEYOR, luck, onFloor)];
    const luck = newRandom("two floors");
    const rows = [upper, lower].flatMap(({ survey }) =>
      survey.filter(({ scan }) => scan === "0").flatMap(({ xM, yM, floor: on }, i, all) => (i > 0 && all[i - 1]?.xM === xM && all[i - 1]?.yM === yM ? [] : heardAt(xM, yM, on, luck).map((heard) => ({ xM, yM, floor: on, ...heard, count: 1 })))),
    );
    const survey = surveyOfRows(rows);
    const both = buildWifiModel(survey);
    const forest = growWifiForest(survey);
    const asked = [0, 1].flatMap((on) => Array.from({ length: 20 }, (_, i) => ({ on, scan: fingerprintFor(both, columns(heardAt(1 + i * 0.65, 7, on, luck))) })));
    const right = asked.filter(({ on, scan }) => both.locate(scan)?.estimate.floor === on && summarise(forest.locate(scan) as NonNullable<ReturnType<typeof forest.locate>>)?.floor === on);
    expect(right.length).toBeGreaterThanOrEqual(39);
  });
});

describe("any scan", () => {
  it("gives a posterior that sums to one, inside the surveyed part, with a radius that is a number", () => {
    const xs = model.survey.points.map(({ xM }) => xM);
    const level = fc.record({ i: fc.integer({ min: 0, max: 500 }), rssiDbm: fc.integer({ min: -120, max: -1 }) });
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 30 }), (levels) => {
        const bssid = levels.map(({ i }) => model.survey.bssids[i % model.survey.bssids.length] as string);
        const found = model.locate(fingerprintFor(model, { bssid, rssiDbm: levels.map(({ rssiDbm }) => rssiDbm) }));
        expect(found).not.toBeNull();
        if (found === null) return;
        expect(found.posterior.weight.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
        expect(found.estimate.xM).toBeGreaterThan(Math.min(...xs) - 5);
        expect(found.estimate.xM).toBeLessThan(Math.max(...xs) + 5);
        expect(found.accuracy95M).toBeGreaterThan(0);
        expect(Number.isFinite(found.accuracy95M)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("read in another order of rows gives the same fix", () => {
    const index = indexVenue(floor.venue);
    const { scan } = floor.walk({ seed: "order", phone: OTHER_PHONE, scans: 1 })[0] as { scan: WifiRow[] };
    const fixOf = (rows: readonly WifiRow[]) => {
      const wifiScan: WifiScan = { tagId: "phone", gatewayId: null, heardAtMs: 5, ...columns(rows) };
      return locateByFingerprint(wifiScan, model, { devices: new Map(), index, heardAtMs: 5 });
    };
    expect(fixOf([...scan].reverse())).toEqual(fixOf(scan));
  });
});

describe("a fix by fingerprint", () => {
  it("names the zones that it may be in, no surer than all of them together", () => {
    const index = indexVenue(floor.venue);
    const devices = new Map();
    let right = 0;
    const walk = floor.walk({ seed: "zones", phone: OTHER_PHONE, scans: 60 });
    for (const at of walk) {
      const fix = locateByFingerprint({ tagId: "phone", gatewayId: null, heardAtMs: at.atMs, ...columns(at.scan) }, model, { devices, index, heardAtMs: at.atMs });
      const total = fix?.zoneEvidence?.probability.reduce((sum, share) => sum + share, 0) ?? 0;
      expect(total).toBeGreaterThan(0.5);
      expect(total).toBeLessThanOrEqual(1 + 1e-6);
      expect(fix).toMatchObject({ tagId: "phone", source: "wifi", atMs: at.atMs });
      const zone = floor.venue.zones[fix?.zoneEvidence?.places[0] ?? -1];
      const [x0M, y0M] = zone?.polygons[0]?.[0] ?? [0, 0];
      const [x1M, y1M] = zone?.polygons[0]?.[2] ?? [0, 0];
      if (at.xM >= x0M && at.xM <= x1M && at.yM >= y0M && at.yM <= y1M) right++;
    }
    expect(right / walk.length).toBeGreaterThan(0.65);
  });

  it("is none of a gateway's own scan", () => {
    const index = indexVenue(floor.venue);
    expect(locateByFingerprint({ tagId: null, gatewayId: "gw", heardAtMs: 0, bssid: [model.survey.bssids[0] as string], rssiDbm: [-50] }, model, { devices: new Map(), index, heardAtMs: 0 })).toBeNull();
  });
});

describe("the inverse of a kernel", () => {
  it("times the kernel is one", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 36, maxLength: 36 }), (entries) => {
        const n = 6;
        // A · Aᵀ + 1 is symmetric and positive definite whatever A is.
        const matrix = Float64Array.from({ length: n * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          return Array.from({ length: n }, (__, k) => (entries[i * n + k] as number) * (entries[j * n + k] as number)).reduce((sum, term) => sum + term, i === j ? 1 : 0);
        });
        const inverse = invert(matrix, n);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let k = 0; k < n; k++) sum += (matrix[i * n + k] as number) * (inverse[k * n + j] as number);
            expect(sum).toBeCloseTo(i === j ? 1 : 0, 9);
          }
        }
      }),
    );
  });
});
