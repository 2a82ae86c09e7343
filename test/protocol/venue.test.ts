import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { ConfigError, parseVenueMap } from "@konferenco/protocol";

const venue = {
  venueId: "flat",
  floors: [{ floor: 0, name: "Ground" }],
  zones: [{ zoneId: "hall", name: "Hall", kind: "hall", floor: 0, polygons: [[[0, 0], [10, 0], [10, 10]]] }, { zoneId: "foyer", name: "Foyer", kind: "an-odd-kind", floor: 0 }],
  gateways: [{ gatewayId: "gw-1", xM: 1, yM: 2, floor: 0, zoneId: "hall" }],
};
const parse = (change: object) => parseVenueMap(JSON.stringify({ ...venue, ...change }), "venue.json");

describe("a venue map", () => {
  it("of the least that is needed gets its defaults", () => {
    expect(parse({})).toMatchObject({ direction: "gateways-hear-tags", tags: [], walls: [], zones: [{ zoneId: "hall" }, { zoneId: "foyer", polygons: [] }] });
  });

  it("may leave out what follows from the rest", () => {
    const bare = parse({
      name: null,
      walls: null,
      floors: null,
      zones: [{ zoneId: "office", floor: 3, polygons: [[[0, 0], [4, 0], [4, 4], [0, 4]]] }, { zoneId: "desk", name: null, floor: 3, kind: "booth", polygons: [[[1, 1], [2, 1], [2, 2], [1, 2]]] }],
      gateways: [{ gatewayId: "gw-1", xM: 3, yM: 3, zM: null, floor: 3 }, { gatewayId: "gw-2", xM: 1.5, yM: 1.5, floor: 3, zoneId: null }],
    });
    expect(bare.floors).toEqual([{ floor: 3, name: "Floor 3" }]);
    expect(bare.zones).toMatchObject([{ zoneId: "office", name: "office", kind: "room" }, { zoneId: "desk", name: "desk", kind: "booth" }]);
    expect(bare.gateways).toEqual([{ gatewayId: "gw-1", xM: 3, yM: 3, floor: 3, zoneId: "office" }, { gatewayId: "gw-2", xM: 1.5, yM: 1.5, floor: 3, zoneId: "desk" }]);
    expect(bare.walls).toEqual([]);
  });

  it("without a plan needs no places of gateways", () => {
    const bare = { zones: [{ zoneId: "stand", floor: 0 }], gateways: [{ gatewayId: "gw-1", floor: 0, zoneId: "stand" }] };
    expect(parse(bare).gateways).toEqual([{ gatewayId: "gw-1", xM: 0, yM: 0, floor: 0, zoneId: "stand" }]);
    expect(() => parse({ gateways: [{ gatewayId: "gw-1", xM: 1, floor: 0, zoneId: "hall" }] })).toThrow(/"gw-1" needs xM and yM/);
  });

  it("without a plan has places of all gateways or of none: one that was forgotten does not hang in (0, 0)", () => {
    const stands = (...places: object[]) => parse({ zones: [{ zoneId: "stand", floor: 0 }], gateways: places.map((place, i) => ({ gatewayId: `gw-${i}`, floor: 0, zoneId: "stand", ...place })) });
    expect(stands({ xM: 3, yM: 4 }, { xM: 9, yM: 4 }).gateways).toMatchObject([{ xM: 3, yM: 4 }, { xM: 9, yM: 4 }]);
    expect(() => stands({ xM: 3, yM: 4 }, {})).toThrow(/"gw-1" needs xM and yM/);
    expect(() => stands({ xM: 3 })).toThrow(/"gw-0" needs xM and yM/);
  });

  it("takes walls of four and of five numbers", () => expect(parse({ walls: [[0, 0, 1, 1], [0, 0, 1, 1, 0]] }).walls).toHaveLength(2));

  it.each([
    ["a zone that is there twice", { zones: [venue.zones[0], venue.zones[0]] }, /"hall" is there twice/],
    ["a gateway that is there twice", { gateways: [venue.gateways[0], venue.gateways[0]] }, /"gw-1" is there twice/],
    ["a gateway in a zone that does not exist", { gateways: [{ ...venue.gateways[0], zoneId: "nowhere" }] }, /"nowhere", which the map does not have/],
    ["a gateway that names no zone and hangs in none", { gateways: [{ gatewayId: "gw-9", xM: 50, yM: 50, floor: 0 }] }, /"gw-9" hangs in no zone of floor 0: name its zoneId/],
    ["nothing that has a floor", { floors: [], zones: [], gateways: [] }, /floors/],
    ["a polygon of two corners", { zones: [{ ...venue.zones[0], polygons: [[[0, 0], [1, 1]]] }] }, /zones\.0\.polygons/],
    ["a corner in the next country", { zones: [{ ...venue.zones[0], polygons: [[[0, 0], [1e6, 1], [2, 2]]] }] }, /zones\.0\.polygons/],
    ["a prototype name as zone", { zones: [{ ...venue.zones[0], zoneId: "constructor" }] }, /zones\.0\.zoneId/],
    ["an origin at the pole", { origin: { lat: 90, lon: 0 } }, /origin\.lat/],
  ])("with %s names it in a sentence", (_what, change, sentence) => {
    expect(() => parse(change)).toThrow(ConfigError);
    expect(() => parse(change)).toThrow(sentence);
    expect(() => parse(change)).toThrow(/^venue\.json/);
  });

  it("of an editor that puts a byte order mark before it is the same", () => expect(parseVenueMap(`\ufeff${JSON.stringify(venue)}`, "v.json")).toEqual(parse({})));

  it("that is not JSON says so", () => expect(() => parseVenueMap("{", "v.json")).toThrow(/v\.json is not JSON/));

  it("of any text is a map or a ConfigError, never another error", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseVenueMap(text, "v.json");
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }));
  });
});
