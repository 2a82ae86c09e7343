import type { VenueMap } from "@konferenco/protocol";
import { useState } from "preact/hooks";
import { ago, kindName, people, zoneName } from "../common/words.ts";
import { KNOWN_KINDS } from "../map/palette.ts";
import type { Target } from "../map/scene.ts";
import { VenueMapView } from "../map/venue-map.tsx";
import { gatewayStateWord } from "./gateways-panel.tsx";
import type { LiveVenue } from "./live-venue.ts";

interface LiveMapProps {
  live: LiveVenue;
  venue: VenueMap;
  /** False on a screen for everybody: counts, and neither people nor gateways. */
  showPeople: boolean;
  floor: number;
  onFloor: (floor: number) => void;
  selected: Target | null;
  onSelect: (target: Target | null) => void;
}

export function LiveMap({ live, venue, showPeople, floor, onFloor, selected, onSelect }: LiveMapProps) {
  const [isLegendOpen, setLegendOpen] = useState(false);
  const { kind } = live.link.state.value;
  return (
    <section class="console-map" aria-label="Map">
      <VenueMapView
        venue={venue}
        floor={floor}
        scene={() => live.scene()}
        onReady={(map) => live.useMap(map)}
        label={`Map of ${venue.floors.find((candidate) => candidate.floor === floor)?.name ?? "the floor"}; the list of zones holds the same counts`}
        interactive
        showGateways={showPeople}
        isStale={kind === "reconnecting" || kind === "failed"}
        selected={selected}
        onSelect={onSelect}
        describe={(target) => (target.kind === "zone" && !live.scene().namesByZone.has(target.zoneId) ? null : <Description target={target} live={live} venue={venue} />)}
        toolbar={
          <>
            {venue.floors.length > 1 && (
              <div class="floors" role="group" aria-label="Floor">
                {venue.floors
                  .toSorted((a, b) => a.floor - b.floor)
                  .map((candidate) => (
                    <button type="button" key={candidate.floor} aria-pressed={candidate.floor === floor} onClick={() => onFloor(candidate.floor)}>
                      {candidate.name}
                    </button>
                  ))}
              </div>
            )}
            <button type="button" class="button slim legend-button" aria-expanded={isLegendOpen} aria-controls="legend" onClick={() => setLegendOpen(!isLegendOpen)}>
              Legend
            </button>
          </>
        }
      >
        {isLegendOpen && <Legend venue={venue} floor={floor} showPeople={showPeople} />}
        {selected !== null && (
          <div class="selected" role="status">
            <div>
              <Description target={selected} live={live} venue={venue} />
            </div>
            <button type="button" class="button slim quiet" aria-label="Close" onClick={() => onSelect(null)}>
              ✕
            </button>
          </div>
        )}
      </VenueMapView>
    </section>
  );
}

const MAX_NAMES = 8;

interface WordsProps {
  live: LiveVenue;
  venue: VenueMap;
}

/** What the pointer is on, in words. */
function Description({ target, ...rest }: WordsProps & { target: Target }) {
  if (target.kind === "dot") return <DotWords subject={target.key} {...rest} />;
  if (target.kind === "gateway") return <GatewayWords gatewayId={target.gatewayId} {...rest} />;
  return <ZoneWords zoneId={target.zoneId} {...rest} />;
}

function DotWords({ subject, live, venue }: WordsProps & { subject: string }) {
  const presence = live.presences.value.find((candidate) => candidate.key === subject);
  if (presence === undefined) return <span class="muted">Not visible any more</span>;
  return (
    <>
      <strong>{presence.label}</strong>
      <span>{zoneName(venue, presence.zoneId)}</span>
      <span class="muted small">
        {presence.spot === null ? "Shows the area, not the spot" : `Within ${Math.max(1, Math.round(presence.spot.accuracy95M))} m · ${ago(presence.heardAtMs, Date.now())}`}
      </span>
    </>
  );
}

function GatewayWords({ gatewayId, live, venue }: WordsProps & { gatewayId: string }) {
  const zoneId = venue.gateways.find((gateway) => gateway.gatewayId === gatewayId)?.zoneId ?? null;
  return (
    <>
      <strong>{gatewayId}</strong>
      <span>{zoneName(venue, zoneId)}</span>
      <span class="muted small">{gatewayStateWord(live.gateways.value.get(gatewayId), Date.now())}</span>
    </>
  );
}

function ZoneWords({ zoneId, live, venue }: WordsProps & { zoneId: string }) {
  const zone = venue.zones.find((candidate) => candidate.zoneId === zoneId);
  const count = live.counts.value.get(zoneId);
  const names = live.presences.value.filter((presence) => presence.zoneId === zoneId && presence.spot === null).map((presence) => presence.label);
  return (
    <>
      <strong>{zone?.name ?? zoneId}</strong>
      <span class="muted small">
        {kindName(zone?.kind ?? "other")}
        {count !== undefined && ` · ${people(count)}`}
      </span>
      {names.length > 0 && (
        <span class="small">
          {names.slice(0, MAX_NAMES).join(", ")}
          {names.length > MAX_NAMES && ` and ${names.length - MAX_NAMES} more`}
        </span>
      )}
    </>
  );
}

function Legend({ venue, floor, showPeople }: { venue: VenueMap; floor: number; showPeople: boolean }) {
  const kinds = [...new Set(venue.zones.filter((zone) => zone.floor === floor).map((zone) => zone.kind))];
  return (
    <ul class="legend" id="legend">
      {showPeople && (
        <>
          <li>
            <span class="mark mark-person" /> Person who shows staff their spot
          </li>
          <li>
            <span class="mark mark-hollow" /> Counted in another zone than where the dot is
          </li>
          <li>
            <span class="mark mark-badge">3</span> People who show staff their area only
          </li>
          <li>
            <span class="mark mark-thing" /> Tag that nobody carries
          </li>
          <li>
            <span class="mark mark-gateway" data-state="online" /> Gateway online
          </li>
          <li>
            <span class="mark mark-gateway" data-state="silent" /> Gateway silent
          </li>
          <li>
            <span class="mark mark-gateway" data-state="offline" /> Gateway offline
          </li>
        </>
      )}
      {kinds.map((kind) => (
        <li key={kind}>
          <span class={`swatch swatch-${KNOWN_KINDS.includes(kind) ? kind : "other"}`} /> {kindName(kind)}
        </li>
      ))}
    </ul>
  );
}
