import { describe, expect, it } from "vitest";
import { DEFAULT_FUSION_CONFIG as config } from "../../../fusion/src/core/fusion-config.ts";
import { followLeads, leadNats, newGatewayLeads, type GatewayLeads } from "../../../fusion/src/core/gateway-leads.ts";
import { indexVenue } from "../../../fusion/src/core/venue-index.ts";
import { linksOf } from "../links.ts";
import { office } from "../venues.ts";

const venue = indexVenue(office());
const place = (zoneId: string) => venue.zonePlace.get(zoneId) as number;

/** What these gateways heard a moment ago. */
function heard(levelsDbm: Record<string, number>, heardAtMs: number) {
  return linksOf(Object.fromEntries(Object.entries(levelsDbm).map(([gatewayId, rssiDbm]) => [venue.gatewayIndex.get(gatewayId), rssiDbm])), heardAtMs);
}

function follow(levelsDbm: Record<string, number>, seconds: number, leads: GatewayLeads = newGatewayLeads(), fromMs = 0): GatewayLeads {
  for (let nowMs = fromMs + 500; nowMs <= fromMs + seconds * 1_000; nowMs += 500) followLeads(leads, heard(levelsDbm, nowMs - 100), nowMs, venue, config);
  return leads;
}

const leadDb = (leads: GatewayLeads, zoneId: string) => leads.leadsDb[leads.places.indexOf(place(zoneId))];

describe("leads of gateways", () => {
  it("are how much louder a room's gateway hears the tag than the loudest of the others, one against the other", () => {
    const leads = follow({ "gw-a": -60, "gw-b": -66, "gw-c": -75 }, 1);
    expect(leadDb(leads, "a")).toBeCloseTo(6);
    expect(leadDb(leads, "b")).toBeCloseTo(-6);
    expect(leadDb(leads, "c")).toBe(-config.gatewayLeadCapDb);
  });

  it("say something for the room whose gateway is loudest, little against one that is nearly so, and nothing for a corridor without one", () => {
    const leads = follow({ "gw-a": -60, "gw-b": -62, "gw-c": -75 }, 1);
    const nats = (zoneId: string) => leadNats(leads, place(zoneId), venue, config);
    expect(nats("a")).toBeGreaterThan(nats("b"));
    expect(nats("b")).toBeGreaterThan(0);
    expect(nats("c")).toBeLessThan(-0.3);
    expect(nats("corridor")).toBe(0);
    expect(leadNats(newGatewayLeads(), place("a"), venue, config)).toBe(0);
  });

  it("follow a change within seconds, not at once: a body turns, a packet fades", () => {
    const leads = follow({ "gw-a": -60, "gw-b": -70 }, 10);
    followLeads(leads, heard({ "gw-a": -80, "gw-b": -60 }, 10_400), 10_500, venue, config);
    expect(leadDb(leads, "a")).toBeGreaterThan(5);
    follow({ "gw-a": -80, "gw-b": -60 }, 10, leads, 10_500);
    expect(leadDb(leads, "a")).toBeLessThan(-10);
    expect(leadDb(leads, "b")).toBeGreaterThan(9);
  });

  it("of a tag that nobody hears stay as they were; a gateway that alone hears it no more is let go", () => {
    const leads = follow({ "gw-a": -60, "gw-b": -64 }, 5);
    const before = { ...leads, places: [...leads.places], leadsDb: [...leads.leadsDb] };
    followLeads(leads, heard({ "gw-a": -60 }, 0), 20_000, venue, config);
    expect(leads).toEqual(before);
    follow({ "gw-c": -70 }, 40, leads, 20_000);
    expect(leads.places).toEqual([place("c")]);
  });

  it("count the loudest of a room's several gateways", () => {
    const leads = follow({ "gw-a": -80, "gw-a2": -60, "gw-b": -66 }, 1);
    expect(leadDb(leads, "a")).toBeCloseTo(6);
  });
});
