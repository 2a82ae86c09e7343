import type { Session, VenueMap } from "@konferenco/protocol";
import { useEffect, useMemo, useState } from "preact/hooks";
import { callApi } from "../common/api.ts";
import { BrandMark } from "../common/brand.tsx";
import { ConnectionBanner, LinkChip } from "../common/connection-banner.tsx";
import { Opening, useOpening } from "../common/opening.tsx";
import { counted } from "../common/words.ts";
import { ActivityPanel } from "./activity-panel.tsx";
import { AlertForm } from "./alert-form.tsx";
import { CountReaders } from "./count-readers.tsx";
import { FlowPanel } from "./flow-panel.tsx";
import { GatewaysPanel } from "./gateways-panel.tsx";
import { LiveMap } from "./live-map.tsx";
import { openLiveVenue, type LiveVenue } from "./live-venue.ts";
import { PeoplePanel } from "./people-panel.tsx";
import { SessionsPanel } from "./sessions-panel.tsx";
import { ZonesPanel } from "./zones-panel.tsx";
import type { Target } from "../map/scene.ts";

interface ConsoleProps {
  session: Session;
  onLeave: (message: string | null) => void;
}

export function Console({ session, onLeave }: ConsoleProps) {
  const refusal = session.role === "attendee" ? "This login is an attendee's. The console is for venue staff." : null;
  const { loaded: venue, fault } = useOpening({ session, refusal, onLeave, load: () => callApi<VenueMap>("venue", { token: session.token }) });
  if (venue === null) return <Opening fault={fault} onLeave={onLeave} />;
  return <OpenConsole session={session} venue={venue} onLeave={onLeave} />;
}

type TabName = "overview" | "alert" | "people" | "flow";

function OpenConsole({ session, venue, onLeave }: ConsoleProps & { venue: VenueMap }) {
  const live = useMemo(() => openLiveVenue(session, venue, onLeave), [session, venue]);
  useEffect(() => () => live.close(), [live]);
  const [floor, setFloor] = useState(venue.floors[0]?.floor ?? 0);
  const [selected, setSelected] = useState<Target | null>(null);
  const [tab, setTab] = useState<TabName>("overview");
  const isDisplay = session.role === "display";

  const select = (target: Target | null): void => {
    setSelected(target);
    live.markedZoneId.value = target === null ? null : zoneToMark(target, live);
    const at = target === null ? undefined : floorOf(target, venue, live);
    if (at !== undefined) setFloor(at);
  };

  return (
    <div class="console">
      <ConnectionBanner link={live.link} />
      <header class="console-head">
        <BrandMark />
        <div class="console-title">
          <h1>{venue.name ?? venue.venueId}</h1>
          <p class="muted small console-event">{isDisplay ? "Live counts" : "Operator console"} · {session.eventId}</p>
        </div>
        <Figures live={live} venue={venue} isDisplay={isDisplay} />
        <LinkChip link={live.link} />
        <button type="button" class="button slim quiet" onClick={() => onLeave(null)}>
          Log out
        </button>
      </header>
      <main class="console-main">
        <LiveMap live={live} venue={venue} showPeople={!isDisplay} floor={floor} onFloor={setFloor} selected={selected} onSelect={select} />
        <aside class="console-side" aria-label="Details">
          {!isDisplay && <Tabs tab={tab} onTab={setTab} />}
          <div class="console-panel" id="panel" role={isDisplay ? undefined : "tabpanel"} aria-labelledby={isDisplay ? undefined : `tab-${tab}`}>
            {tab === "overview" && (
              <>
                {!isDisplay && <GatewaysPanel live={live} venue={venue} onSelect={select} />}
                {!isDisplay && <SessionsPanel token={session.token} live={live} venue={venue} />}
                <ZonesPanel live={live} venue={venue} selected={selected} onSelect={select} />
                {!isDisplay && <CountReaders session={session} />}
              </>
            )}
            {tab === "alert" && <AlertForm session={session} venue={venue} live={live} />}
            {tab === "flow" && <FlowPanel session={session} />}
            {tab === "people" && <PeoplePanel session={session} venue={venue} live={live} selected={selected} onSelect={select} />}
          </div>
        </aside>
        <ActivityPanel live={live} venue={venue} />
      </main>
    </div>
  );
}

function Figures({ live, venue, isDisplay }: { live: LiveVenue; venue: VenueMap; isDisplay: boolean }) {
  const states = [...live.gateways.value.values()];
  const online = states.filter((gateway) => gateway.state === "online").length;
  const exact = [...live.counts.value.values()];
  const inZones = exact.reduce<number>((sum, count) => sum + (count === "few" ? 0 : count), 0);
  const visible = live.presences.value.filter((presence) => presence.kind === "person").length;
  const things = live.presences.value.length - visible;
  return (
    <dl class="figures">
      {!isDisplay && (
        <div data-tone={online < venue.gateways.length ? "warn" : "ok"}>
          <dt>Gateways online</dt>
          <dd data-testid="gateways-online">
            {online}
            <span class="muted"> / {venue.gateways.length}</span>
          </dd>
        </div>
      )}
      {!isDisplay && (
        <div title={`${counted(visible, "person lets", "people let")} staff see their spot or zone; ${counted(things, "tag", "tags")} with no person`}>
          <dt>People visible</dt>
          <dd data-testid="people-visible">
            {visible}
            {things > 0 && <span class="muted"> + {counted(things, "tag", "tags")}</span>}
          </dd>
        </div>
      )}
      <div title="Everybody counted in the zones, also those who are shown to nobody by name">
        <dt>In zones now</dt>
        <dd data-testid="in-zones">
          {inZones}
          {exact.includes("few") && <span class="muted">+</span>}
        </dd>
      </div>
    </dl>
  );
}

const TABS: { name: TabName; word: string }[] = [
  { name: "overview", word: "Overview" },
  { name: "alert", word: "Send alert" },
  { name: "people", word: "People" },
  { name: "flow", word: "Flow" },
];

function Tabs({ tab, onTab }: { tab: TabName; onTab: (tab: TabName) => void }) {
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const index = TABS.findIndex(({ name }) => name === tab);
    const next = TABS[(index + step + TABS.length) % TABS.length];
    if (next === undefined) return;
    onTab(next.name);
    document.getElementById(`tab-${next.name}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" onKeyDown={move}>
      {TABS.map(({ name, word }) => (
        <button type="button" key={name} id={`tab-${name}`} role="tab" aria-selected={name === tab} aria-controls="panel" tabIndex={name === tab ? 0 : -1} onClick={() => onTab(name)}>
          {word}
        </button>
      ))}
    </div>
  );
}

/** A zone that was chosen, or the one of somebody who has no spot to be circled at. */
function zoneToMark(target: Target, live: LiveVenue): string | null {
  if (target.kind === "zone") return target.zoneId;
  if (target.kind === "gateway") return null;
  const presence = live.presences.value.find((candidate) => candidate.key === target.key);
  return presence?.spot === null ? presence.zoneId : null;
}

function floorOf(target: Target, venue: VenueMap, live: LiveVenue): number | undefined {
  if (target.kind === "dot") return live.presences.value.find((presence) => presence.key === target.key)?.floor;
  if (target.kind === "gateway") return venue.gateways.find((gateway) => gateway.gatewayId === target.gatewayId)?.floor;
  return venue.zones.find((zone) => zone.zoneId === target.zoneId)?.floor;
}
