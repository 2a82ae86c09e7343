import type { FusionConfig } from "./fusion-config.ts";
import { keepLoudest } from "./keep-loudest.ts";
import { gatewayOf, heardAtMsOf, levelDbmOf, type Links } from "./links.ts";
import type { VenueIndex } from "./venue-index.ts";

/**
 * The second witness of a zone, beside the mass of the posterior: by how much its own gateways hear the
 * tag louder than all others do, of late. It knows nothing of levels at 1 m, exponents and walls, so
 * it errs where the posterior does not and the other way round. At most as many zones as a tag has links.
 */
export interface GatewayLeads {
  places: number[];
  /** Smoothed, within ± gatewayLeadCapDb. A zone that is not named is at the bottom of that. */
  leadsDb: number[];
  /** When something was heard last; NaN before. */
  atMs: number;
}

export function newGatewayLeads(): GatewayLeads {
  return { places: [], leadsDb: [], atMs: NaN };
}

/** A zone that is so near to the bottom is let go. */
const LEAST_LEAD_DB = 0.1;

/** Follows the levels that are heard now. Silence of the tag changes nothing, silence of one gateway does. */
export function followLeads(leads: GatewayLeads, links: Links, nowMs: number, venue: VenueIndex, config: FusionConfig): void {
  const { places, levelsDbm, loudest, nextDbm } = whoLeads(links, nowMs, venue, config);
  if (loudest === -1) return;
  const capDb = config.gatewayLeadCapDb;
  const share = Number.isNaN(leads.atMs) ? 1 : 1 - Math.exp(-(nowMs - leads.atMs) / config.gatewayLeadMemoryMs);
  leads.atMs = nowMs;
  for (const place of places) {
    if (venue.spokenFor[place] !== true || leads.places.includes(place)) continue;
    leads.places.push(place);
    leads.leadsDb.push(-capDb);
  }
  let kept = 0;
  for (let i = 0; i < leads.places.length; i++) {
    const place = leads.places[i] as number;
    const heard = places.indexOf(place);
    const againstDbm = heard === loudest ? nextDbm : (levelsDbm[loudest] as number);
    const nowDb = heard === -1 ? -capDb : Math.max(-capDb, Math.min(capDb, (levelsDbm[heard] as number) - againstDbm));
    const leadDb = (leads.leadsDb[i] as number) + share * (nowDb - (leads.leadsDb[i] as number));
    if (heard === -1 && leadDb < LEAST_LEAD_DB - capDb) continue;
    leads.places[kept] = place;
    leads.leadsDb[kept++] = leadDb;
  }
  while (leads.places.length > kept) {
    leads.places.pop();
    leads.leadsDb.pop();
  }
}

/** What the lead says for a place, in nats. Nothing where no gateway can speak for it, and before one was heard. */
export function leadNats(leads: GatewayLeads, place: number, venue: VenueIndex, config: FusionConfig): number {
  if (venue.spokenFor[place] !== true || Number.isNaN(leads.atMs)) return 0;
  const i = leads.places.indexOf(place);
  const leadDb = i === -1 ? -config.gatewayLeadCapDb : (leads.leadsDb[i] as number);
  return config.gatewayLeadNatsPerDb * (leadDb + config.gatewayHandicapDb);
}

/** The level of the loudest gateway of each place that hears the tag; which place is the loudest (its index, or -1), and the level of the next one. */
function whoLeads(links: Links, nowMs: number, venue: VenueIndex, config: FusionConfig) {
  const places: number[] = [];
  const levelsDbm: number[] = [];
  for (let link = 0; link < links.count; link++) {
    if (nowMs - heardAtMsOf(links, link) >= config.windowMs) continue;
    keepLoudest(places, levelsDbm, (venue.gateways[gatewayOf(links, link)] as { place: number }).place, levelDbmOf(links, link));
  }
  let [loudest, nextDbm] = [-1, -Infinity];
  for (let i = 0; i < places.length; i++) {
    const levelDbm = levelsDbm[i] as number;
    if (loudest === -1 || levelDbm > (levelsDbm[loudest] as number)) {
      if (loudest !== -1) nextDbm = levelsDbm[loudest] as number;
      loudest = i;
    } else if (levelDbm > nextDbm) {
      nextDbm = levelDbm;
    }
  }
  return { places, levelsDbm, loudest, nextDbm };
}
