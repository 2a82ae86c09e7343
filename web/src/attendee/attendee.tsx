import type { Consent, Profile, Session, VenueMap } from "@konferenco/protocol";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, callApi, inWords } from "../common/api.ts";
import { BrandMark } from "../common/brand.tsx";
import { ConnectionBanner, LinkChip } from "../common/connection-banner.tsx";
import { AlertsCard, unreadOf, UrgentAlerts } from "./alerts-card.tsx";
import { ChannelsCard } from "./channels-card.tsx";
import { openLiveMe } from "./live-me.ts";
import { NoticesCard } from "./notices-card.tsx";
import { NearbyCard } from "./nearby-card.tsx";
import { PlaceCard } from "./place-card.tsx";
import { PrivacyCard } from "./privacy-card.tsx";

/** What the server keeps about me, as far as the page needs it. */
interface Me {
  profile: Profile;
  consent: Consent;
  hasTag: boolean;
}

interface AttendeeProps {
  session: Session;
  onLeave: (message: string | null) => void;
}

export function Attendee({ session, onLeave }: AttendeeProps) {
  const [loaded, setLoaded] = useState<{ venue: VenueMap; me: Me } | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    if (session.personId === null) {
      setFault("This login belongs to nobody in particular. Use the link on your ticket.");
      return;
    }
    const { token } = session;
    Promise.all([callApi<VenueMap>("venue", { token }), callApi<Me>("me", { token })]).then(
      ([venue, me]) => setLoaded({ venue, me }),
      (error: unknown) => {
        if (error instanceof ApiError && error.httpStatus === 401) onLeave("The session has ended. Log in again.");
        else setFault(inWords(error));
      },
    );
  }, [session]);
  if (loaded !== null) return <OpenAttendee session={session} onLeave={onLeave} {...loaded} />;
  return (
    <main class="door" aria-busy={fault === null}>
      {fault === null ? (
        <p class="muted">Opening…</p>
      ) : (
        <>
          <p class="note bad" role="alert">
            {fault}
          </p>
          <button type="button" class="button" onClick={() => location.reload()}>
            Try again
          </button>
          <button type="button" class="button quiet" onClick={() => onLeave(null)}>
            Log in as somebody else
          </button>
        </>
      )}
    </main>
  );
}

function OpenAttendee({ session, onLeave, venue, me }: AttendeeProps & { venue: VenueMap; me: Me }) {
  const live = useMemo(() => openLiveMe(session, onLeave), [session]);
  useEffect(() => () => live.close(), [live]);
  const [consent, setConsent] = useState(me.consent.given);
  const { alerts } = live.state.value;
  const unread = unreadOf(alerts, live.read).length;
  return (
    <>
      <ConnectionBanner link={live.link} />
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
          <PlaceCard live={live} venue={venue} hasTag={me.hasTag} hasConsent={consent} />
          <NearbyCard live={live} hasConsent={consent} />
          <ChannelsCard live={live} />
          <AlertsCard alerts={alerts} venue={venue} read={live.read} />
        </div>
        <div class="my-column">
          <PrivacyCard live={live} session={session} consent={consent} onConsent={setConsent} />
          <NoticesCard notices={live.notices} />
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
