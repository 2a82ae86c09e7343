import { describe, expect, test } from "vitest";
import { venueMapSchema } from "@konferenco/protocol";
import { newRadio, newRandom, newShadowing, RADIO_DEFAULTS, type RadioConfig, type RadioPlace } from "@konferenco/simulators";

/** One gateway in an empty hall, and one floor above it; one wall at x = 50. */
const hall = venueMapSchema.parse({
  venueId: "hall",
  floors: [{ floor: 0, name: "ground" }, { floor: 1, name: "first" }],
  zones: [{ zoneId: "z", name: "hall", kind: "hall", floor: 0 }],
  gateways: [{ gatewayId: "gw", xM: 0, yM: 0, zM: 1.2, floor: 0, zoneId: "z" }],
  walls: [[50, -5, 50, 5, 0]],
});
const still: Partial<RadioConfig> = { shadowingDb: 0, bodyLossDb: 0, gatewayGainSigmaDb: 0, tagPowerSigmaDb: 0 };
const at = (xM: number, yM = 0, facingRad: number | null = null, floor = 0): RadioPlace => ({ xM, yM, floor, facingRad });

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

describe("power over distance", () => {
  test("falls by 10 n dB per decade from the power at 1 m", () => {
    const radio = newRadio(hall, 1, still);
    expect(radio.meanRssiDbm("gw", "tag", at(1))).toBeCloseTo(-59, 9);
    expect(radio.meanRssiDbm("gw", "tag", at(1)) - radio.meanRssiDbm("gw", "tag", at(10))).toBeCloseTo(25, 9);
  });

  test("is about -70 dBm at 3 m, as requirement A6 says", () => {
    const radio = newRadio(hall, 1, still);
    expect(Math.abs(radio.meanRssiDbm("gw", "tag", at(3)) - -70)).toBeLessThan(2);
  });

  test("measured on heard packets over 100 tags has the slope of the model", () => {
    // Nothing lost, so that no weak packet is missing from the mean: measured slopes of censored links are too flat.
    const radio = newRadio(hall, 3, { sensitivityDbm: -200, clearShare: 1 });
    const points: { x: number; y: number }[] = [];
    for (let tag = 0; tag < 100; tag++) {
      const transmitter = radio.newTransmitter(`tag-${tag}`);
      for (const rangeM of [1, 2, 4, 8, 16, 32]) {
        // All around the gateway and turned all ways: shadowing and body average out.
        const angleRad = (2 * Math.PI * tag) / 100;
        for (let turn = 0; turn < 8; turn++) {
          for (const { rssiDbm } of transmitter.send(at(rangeM * Math.cos(angleRad), rangeM * Math.sin(angleRad), (turn * Math.PI) / 4))) {
            points.push({ x: Math.log10(rangeM), y: rssiDbm });
          }
        }
      }
    }
    expect(points).toHaveLength(4_800);
    const centreX = mean(points.map(({ x }) => x));
    const centreY = mean(points.map(({ y }) => y));
    const slope = points.reduce((sum, { x, y }) => sum + (x - centreX) * (y - centreY), 0) / points.reduce((sum, { x }) => sum + (x - centreX) ** 2, 0);
    // Standard error: 5.5 dB / sqrt(4,800) / 0.51 decades, times 3 for links being dependent: 0.5 dB.
    expect(Math.abs(slope / -10 - RADIO_DEFAULTS.pathLossExponent)).toBeLessThan(0.15);
  });

  test("loses a wall's worth behind a wall, a ceiling's worth on another floor", () => {
    const radio = newRadio(hall, 1, still);
    const law = (rangeM: number): number => -59 - 25 * Math.log10(rangeM);
    expect(radio.meanRssiDbm("gw", "tag", at(60))).toBeCloseTo(law(60) - 6, 9);
    expect(radio.meanRssiDbm("gw", "tag", at(0, 0, null, 1))).toBeCloseTo(law(4) - 16, 9);
  });

  test("counts at most three walls", () => {
    const many = venueMapSchema.parse({ ...hall, walls: [10, 11, 12, 13, 14, 15].map((xM) => [xM, -5, xM, 5]) });
    expect(newRadio(many, 1, still).meanRssiDbm("gw", "tag", at(20))).toBeCloseTo(newRadio(hall, 1, still).meanRssiDbm("gw", "tag", at(20)) - 18, 9);
  });
});

describe("the wearer's body", () => {
  test("costs nothing facing the gateway, all of it with the back to it, half from the side", () => {
    const radio = newRadio(hall, 1, {});
    expect(radio.bodyLossDb("gw", at(5, 0, Math.PI))).toBeCloseTo(0, 9);
    expect(radio.bodyLossDb("gw", at(5, 0, 0))).toBeCloseTo(8, 9);
    expect(radio.bodyLossDb("gw", at(5, 0, Math.PI / 2))).toBeCloseTo(4, 9);
    expect(radio.bodyLossDb("gw", at(5, 0, null))).toBe(0);
  });
});

describe("shadowing", () => {
  test("has the standard deviation and the correlation length that were asked for", () => {
    const products: number[] = [];
    const squares: number[] = [];
    const farProducts: number[] = [];
    const halves: number[] = [];
    for (let field = 0; field < 300; field++) {
      const dice = newRandom(`field-${field}`);
      const shadowingDb = newShadowing(dice, 3.5, 3);
      for (let sample = 0; sample < 20; sample++) {
        const xM = dice.between(0, 100);
        const yM = dice.between(0, 100);
        const angleRad = dice.between(-Math.PI, Math.PI);
        const here = shadowingDb(xM, yM);
        const along = (distanceM: number): number => shadowingDb(xM + distanceM * Math.cos(angleRad), yM + distanceM * Math.sin(angleRad));
        squares.push(here * here);
        halves.push(here * along(1));
        products.push(here * along(3));
        farProducts.push(here * along(15));
      }
    }
    const variance = mean(squares);
    expect(Math.sqrt(variance)).toBeGreaterThan(3.3);
    expect(Math.sqrt(variance)).toBeLessThan(3.7);
    // Gudmundson: exp(-1/3) = 0.72, exp(-1) = 0.37, exp(-5) = 0.01.
    expect(Math.abs(mean(halves) / variance - Math.exp(-1 / 3))).toBeLessThan(0.06);
    expect(Math.abs(mean(products) / variance - Math.exp(-1))).toBeLessThan(0.06);
    expect(Math.abs(mean(farProducts) / variance)).toBeLessThan(0.06);
  });

  test("is the same for every tag at one place, and another for another gateway", () => {
    const two = venueMapSchema.parse({ ...hall, gateways: [...hall.gateways, { ...hall.gateways[0], gatewayId: "gw-2" }] });
    const radio = newRadio(two, 1, { tagPowerSigmaDb: 0 });
    expect(radio.meanRssiDbm("gw", "tag-1", at(7, 3))).toBe(radio.meanRssiDbm("gw", "tag-2", at(7, 3)));
    expect(radio.shadowingDb("gw", at(7, 3))).not.toBe(radio.shadowingDb("gw-2", at(7, 3)));
  });
});

describe("packets", () => {
  test("fade by 2-4 dB in sight, and more through a wall", () => {
    const radio = newRadio(hall, 5, { ...still, sensitivityDbm: -200, clearShare: 1 });
    const heard = (place: RadioPlace): number[] => {
      const transmitter = radio.newTransmitter(`tag-${place.xM}`);
      return Array.from({ length: 4_000 }, () => transmitter.send(place)).flatMap((sightings) => sightings.map(({ rssiDbm }) => rssiDbm));
    };
    const inSight = deviation(heard(at(10)));
    const blocked = deviation(heard(at(60)));
    expect(inSight).toBeGreaterThan(2.3);
    expect(inSight).toBeLessThan(3.4);
    expect(blocked).toBeGreaterThan(4);
    expect(blocked).toBeLessThan(5.6);
  });

  test("are lost as the model says: a fifth of the strong ones, more with distance, all far away", () => {
    const radio = newRadio(hall, 6, still);
    const share = (rangeM: number): number => {
      const transmitter = radio.newTransmitter(`tag-${rangeM}`);
      let heard = 0;
      for (let packet = 0; packet < 3_000; packet++) heard += transmitter.send(at(0, rangeM)).length;
      return heard / 3_000;
    };
    expect(Math.abs(share(3) - RADIO_DEFAULTS.clearShare)).toBeLessThan(0.03);
    const shares = [3, 15, 20, 25, 30, 40].map(share);
    for (let i = 1; i < shares.length; i++) expect(shares[i] as number).toBeLessThan((shares[i - 1] as number) + 0.03);
    expect(share(21)).toBeLessThan(0.55);
    expect(share(120)).toBe(0);
    expect(radio.chanceHeard(RADIO_DEFAULTS.sensitivityDbm)).toBeCloseTo(RADIO_DEFAULTS.clearShare / 2, 9);
  });

  test("go out every advertising interval plus 0-10 ms, so that two tags do not stay in step", () => {
    const transmitter = newRadio(hall, 7).newTransmitter("tag");
    const times: number[] = [];
    for (let packet = 0; packet < 500; packet++) {
      times.push(transmitter.nextAtMs());
      transmitter.send(at(5));
    }
    const gapsMs = times.slice(1).map((atMs, i) => atMs - (times[i] as number));
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(499);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(511);
    expect(new Set(gapsMs).size).toBeGreaterThan(5);
    expect(Math.abs(mean(gapsMs) - 505)).toBeLessThan(1);
  });

  test("are whole dBm, and a gateway does not hear itself", () => {
    const two = venueMapSchema.parse({ ...hall, gateways: [...hall.gateways, { ...hall.gateways[0], gatewayId: "gw-2", xM: 8 }] });
    const transmitter = newRadio(two, 8).newTransmitter("gateway:gw");
    const heard = Array.from({ length: 50 }, () => transmitter.send({ ...at(0), zM: 1.2 })).flat();
    expect(heard.length).toBeGreaterThan(20);
    expect(new Set(heard.map(({ gatewayId }) => gatewayId))).toEqual(new Set(["gw-2"]));
    for (const { rssiDbm } of heard) expect(Number.isInteger(rssiDbm)).toBe(true);
  });

  test("of one tag are the same whether other tags send or not", () => {
    const alone = newRadio(hall, 9);
    const crowded = newRadio(hall, 9);
    const other = crowded.newTransmitter("other");
    const a = alone.newTransmitter("tag");
    const b = crowded.newTransmitter("tag");
    for (let packet = 0; packet < 50; packet++) {
      other.send(at(3));
      expect(b.send(at(5))).toEqual(a.send(at(5)));
    }
  });
});
