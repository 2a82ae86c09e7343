import type http from "node:http";
import { BlockList, isIP } from "node:net";
import { ConfigError } from "@konferenco/protocol";

/** Whose request it is, for limits per address; "" once it is gone. */
export type ClientAddress = (request: http.IncomingMessage) => string;

/** Links of a chain that are followed; nobody puts more proxies in a row. */
const MAX_HOPS = 16;

/**
 * `trustedProxies`: addresses and ranges (`10.0.0.0/8`, `::1`) of the proxies before the bridge; none: whoever connects is
 * the client. Each trusted proxy has written at the right end of `X-Forwarded-For` who came to it, so the client is the first
 * from the right that is no proxy of ours; what stands left of it the client has written itself. Throws `ConfigError` for
 * what is no address. `Forwarded` (RFC 7239) is not read: a proxy that keeps one of the two headers lets a client write the other.
 */
export function newClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const proxies = new BlockList();
  for (const range of trustedProxies) trust(proxies, range);
  const isProxy = (address: string): boolean => isIP(address) !== 0 && proxies.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
  return (request) => {
    const peer = request.socket.remoteAddress ?? "";
    if (trustedProxies.length === 0 || !isProxy(peer)) return peer;
    const told = String(request.headers["x-forwarded-for"] ?? "").split(",").map((address) => address.trim()).slice(-MAX_HOPS);
    const client = told.findLast((address) => !isProxy(address)) ?? told[0] ?? "";
    return isIP(client) === 0 ? peer : client;
  };
}

function trust(proxies: BlockList, range: string): void {
  const [address = "", bits, ...rest] = range.split("/");
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  const widest = family === "ipv4" ? 32 : 128;
  const prefix = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : 0;
  // Who trusts everybody lets everybody write their own address.
  if (isIP(address) === 0 || rest.length > 0 || prefix < 1 || prefix > widest) throw new ConfigError(`the trusted proxy "${range}" is no address and no range such as 10.0.0.0/8 or fd00::/8`);
  proxies.addSubnet(address, prefix, family);
}
