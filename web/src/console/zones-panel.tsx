import type { VenueMap } from "@konferenco/protocol";
import { floorName } from "../common/words.ts";
import { KNOWN_KINDS } from "../map/palette.ts";
import type { Target } from "../map/scene.ts";
import type { LiveVenue } from "./live-venue.ts";

interface ZonesPanelProps {
  live: LiveVenue;
  venue: VenueMap;
  selected: Target | null;
  onSelect: (target: Target | null) => void;
}

/** The map in words: every zone with its count. It is also what a screen reader has instead of the map. */
export function ZonesPanel({ live, venue, selected, onSelect }: ZonesPanelProps) {
  const counts = live.counts.value;
  const fullest = Math.max(1, ...[...counts.values()].map((count) => (count === "few" ? 1 : count)));
  return (
    <section class="card" aria-labelledby="zones-title">
      <div class="card-head">
        <h2 id="zones-title">Zones</h2>
        <span class="muted small">people now</span>
      </div>
      {venue.floors.map(({ floor }) => {
        const zones = venue.zones.filter((zone) => zone.floor === floor);
        if (zones.length === 0) return null;
        return (
          <div key={floor}>
            {venue.floors.length > 1 && <p class="group-name">{floorName(venue, floor)}</p>}
            <ul>
              {zones.map((zone) => {
                const count = counts.get(zone.zoneId);
                const capacity = live.hotZones.value.get(zone.zoneId);
                const share = count === undefined || count === "few" ? 0 : count / fullest;
                const isSelected = selected?.kind === "zone" && selected.zoneId === zone.zoneId;
                return (
                  <li key={zone.zoneId}>
                    <button type="button" class="zone-row" aria-pressed={isSelected} data-testid={`zone-${zone.zoneId}`} onClick={() => onSelect(isSelected ? null : { kind: "zone", zoneId: zone.zoneId })}>
                      <span class={`swatch swatch-${KNOWN_KINDS.includes(zone.kind) ? zone.kind : "other"}`} />
                      <span class="zone-name">
                        {zone.name}
                        {capacity !== undefined && <span class="hot-mark" title={`holds ${capacity}`}> hot spot</span>}
                      </span>
                      <meter class="zone-bar" min={0} max={1} value={share} aria-hidden="true" />
                      <span class="zone-count">{count ?? "–"}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
          </div>
        );
      })}
    </section>
  );
}
