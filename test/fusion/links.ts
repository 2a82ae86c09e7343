import { DEFAULT_FUSION_CONFIG as config } from "../../fusion/src/core/fusion-config.ts";
import { addToLinks, newLinks, setSlowLevel, type Links } from "../../fusion/src/core/links.ts";

/** One level of each of these gateways. */
export function linksOf(levelsDbm: Readonly<Record<number, number>>, heardAtMs = 0): Links {
  const links = newLinks();
  for (const [gateway, rssiDbm] of Object.entries(levelsDbm)) hear(links, Number(gateway), rssiDbm, heardAtMs);
  return links;
}

/** One more. True when it was held back as an outlier. */
export function hear(links: Links, gateway: number, rssiDbm: number, heardAtMs: number): boolean {
  return addToLinks(links, gateway, { tagId: "tag", gatewayId: `gw-${gateway}`, rssiDbm, heardAtMs }, config);
}

/** These are what gateways heard of late, all of the time unless told otherwise. */
export function slowLinksOf(levelsDbm: Readonly<Record<number, number>>, heardShareOf: (gateway: number) => number = () => 1): Links {
  const links = linksOf(levelsDbm);
  Object.entries(levelsDbm).forEach(([gateway, levelDbm], link) => setSlowLevel(links, link, levelDbm, heardShareOf(Number(gateway))));
  return links;
}
