import { APP_CHANNEL_PATTERN } from "@konferenco/protocol";
import type { ViewerRole } from "./privacy-policy.ts";

/** What a token says of channels: patterns, in which `*` at the end stands for anything. Absent: what the role has. */
export interface ChannelClaim {
  sub?: readonly string[] | undefined;
  pub?: readonly string[] | undefined;
}

export interface ChannelRights {
  mayRead: (channel: string) => boolean;
  mayPublish: (channel: string) => boolean;
}

/** Open to nobody by role: a token must name them. */
const PRIVATE = "app:private-";
/** Open to venue staff. */
const STAFF = "app:staff-";

const nobody = (): boolean => false;
const isOpen = (channel: string): boolean => APP_CHANNEL_PATTERN.test(channel) && !channel.startsWith(PRIVATE) && !channel.startsWith(STAFF);
const isVenueOwn = (channel: string): boolean => APP_CHANNEL_PATTERN.test(channel) && !channel.startsWith(PRIVATE);

const BY_ROLE: Readonly<Record<ViewerRole, ChannelRights>> = {
  operator: { mayRead: isVenueOwn, mayPublish: isVenueOwn },
  staff: { mayRead: isVenueOwn, mayPublish: isVenueOwn },
  attendee: { mayRead: isOpen, mayPublish: isOpen },
  // A screen shows; it says nothing.
  display: { mayRead: isOpen, mayPublish: nobody },
};

export const NO_RIGHTS: ChannelRights = { mayRead: nobody, mayPublish: nobody };

/** The rights of a token. One object per role where the token says nothing, for 10,000 connections. */
export function rightsOf(role: ViewerRole, claim: ChannelClaim | undefined): ChannelRights {
  const byRole = BY_ROLE[role];
  if (claim === undefined) return byRole;
  return {
    mayRead: claim.sub === undefined ? byRole.mayRead : matcherOf(claim.sub),
    mayPublish: claim.pub === undefined ? byRole.mayPublish : matcherOf(claim.pub),
  };
}

function matcherOf(patterns: readonly string[]): (channel: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith("*")));
  const prefixes = patterns.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  return (channel) => APP_CHANNEL_PATTERN.test(channel) && (exact.has(channel) || prefixes.some((prefix) => channel.startsWith(prefix)));
}
