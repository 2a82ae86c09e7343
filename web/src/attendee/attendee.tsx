import type { Consent, Profile, Session, VenueMap } from "@konferenco/protocol";
import { useEffect, useMemo, useState } from "preact/hooks";
import { callApi } from "../common/api.ts";
import { BrandMark } from "../common/brand.tsx";
import { ConnectionBanner, LinkChip } from "../common/connection-banner.tsx";
import { Opening, useOpening } from "../common/opening.tsx";
import { AlertsCard, unreadOf, UrgentAlerts } from "./alerts-card.tsx";
import { ChannelsCard } from "./channels-card.tsx";
import { openLiveMe } from "./live-me.ts";
import { ForgetMe, type Receipt } from "./forget-me.tsx";
import { NoticesCard } from "./notices-card.tsx";
import { NearbyCard } from "./nearby-card.tsx";
import { PlaceCard } from "./place-card.tsx";
import { PrivacyCard } from "./privacy-card.tsx";
import { SafetyBar, SafetyCard } from "./safety-card.tsx";

/** What the server keeps about me, as far as the page needs it. */
interface Me {
  profile: Profile;
  consent: Consent;
  hasTag: boolean;
}

interface AttendeeProps {
  session: Session;
  onLeave: (message: string | null) => void;
  onForgotten: (receipt: Receipt) => void;
}

export function Attendee({ session, onLeave, onForgotten }: AttendeeProps) {
  const { token } = session;
  const refusal = session.personId === null ? "This login belongs to nobody in particular. Use the link on your ticket." : null;
  const { loaded, fault } = useOpening({ session, refusal, onLeave, load: () => Promise.all([callApi<VenueMap>("venue", { token }), callApi<Me>("me", { token })]) });
  if (loaded === null) return <Opening fault={fault} onLeave={onLeave} />;
  const [venue, me] = loaded;
  return <OpenAttendee session={session} onLeave={onLeave} onForgotten={onForgotten} venue={venue} me={me} />;
}

function OpenAttendee({ session, onLeave, onForgotten, venue, me }: AttendeeProps & { venue: VenueMap; me: Me }) {
  const live = useMemo(() => openLiveMe(session, onLeave), [session]);
  useEffect(() => () => live.close(), [live]);
  const [consent, setConsent] = useState(me.consent);
  const { alerts } = live.state.value;
  const unread = unreadOf(alerts, live.read).length;
  return (
    <>
      <ConnectionBanner link={live.link} />
      <SafetyBar live={live} />
      <header class="my-head">
        <BrandMark />
        <div class="my-title">
          <h1>{venue.name ?? venue.venueId}</h1>
          <p class="muted small">{me.profile.name}</p>
        </div>
        <LinkChip link={live.link} />
      </header>
      <main class="my-page">
        <UrgentAlerts alerts={alerts} venue={venue} read={live.read} />
        <div class="my-column">
          <PlaceCard live={live} venue={venue} hasTag={me.hasTag} hasConsent={consent.given} />
          <NearbyCard live={live} hasConsent={consent.given} />
          <ChannelsCard live={live} />
          <AlertsCard alerts={alerts} venue={venue} read={live.read} />
        </div>
        <div class="my-column">
          <SafetyCard live={live} hasConsent={consent.given} />
          <PrivacyCard live={live} session={session} consent={consent} onConsent={setConsent} />
          <NoticesCard notices={live.notices} />
          <ForgetMe session={session} onForgotten={onForgotten} />
          <button type="button" class="button quiet my-leave" onClick={() => onLeave(null)}>
            Log out
          </button>
        </div>
      </main>
      <nav class="my-nav" aria-label="Parts of this page">
        <a href="#place">
          <NavIcon path="M8 15s5-4.6 5-8.5A5 5 0 0 0 3 6.500C3 10.400 8 15 8 15Zm0-6.700a1.900 1.900 0 1 1 0-3.800 1.900 1.900 0 0 1 0 3.800Z" />
          Place
        </a>
        <a href="#nearby">
          <NavIcon path="M5.500 7.500a2.300 2.300 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600ZM1 13c0-2.500 2-4.200 4.500-4.200S10 10.500 10 13Zm10-6a1.900 1.900 0 1 0 0-3.800A1.900 1.900 0 0 0 11 7Zm.3 6H15c0-2.400-1.500-4-3.700-4-.5 0-1 .1-1.400.300.9.900 1.400 2.200 1.400 3.700Z" />
          People
        </a>
        <a href="#alerts">
          <NavIcon path="M8 1.500a4 4 0 0 0-4 4V8l-1.500 3h11L12 8V5.500a4 4 0 0 0-4-4ZM6.300 12.300a1.700 1.700 0 0 0 3.400 0Z" />
          Alerts
          {unread > 0 && (
            <span class="nav-count" data-testid="unread">
              {unread}
              <span class="visually-hidden"> not read yet</span>
            </span>
          )}
        </a>
        <a href="#safety">
          <NavIcon path="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.600a5.400 5.400 0 0 1 3.300 1.200L3.800 11.300A5.400 5.400 0 0 1 8 2.600Zm0 10.800a5.400 5.400 0 0 1-3.200-1.100l7.500-7.500A5.400 5.400 0 0 1 8 13.400Z" />
          Safety
        </a>
        <a href="#privacy">
          <NavIcon path="M8 1 2.500 3v4.500c0 3.300 2.300 6.100 5.500 7 3.200-.9 5.500-3.700 5.500-7V3Zm-.8 9.400L4.800 8l1-1 1.400 1.400 3-3 1 1Z" />
          Privacy
        </a>
      </nav>
    </>
  );
}

function NavIcon({ path }: { path: string }) {
  return (
    <svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true">
      <path d={path} fill="currentColor" fill-rule="evenodd" />
    </svg>
  );
}
