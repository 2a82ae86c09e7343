import type { VenueMap } from "@konferenco/protocol";
import type { ComponentChildren } from "preact";
import { activityInWords, clockTime, floorName, kindName, zoneName } from "../common/words.ts";
import type { Scene } from "../map/scene.ts";
import { isUndrawn } from "../map/schematic.ts";
import { VenueMapView } from "../map/venue-map.tsx";
import type { LiveMe } from "./live-me.ts";

interface PlaceCardProps {
  live: LiveMe;
  venue: VenueMap;
  hasTag: boolean;
  hasConsent: boolean;
}

export function PlaceCard({ live, venue, hasTag, hasConsent }: PlaceCardProps) {
  const { place, activity } = live.state.value;
  const { kind } = live.link.state.value;
  const zone = venue.zones.find((candidate) => candidate.zoneId === place?.zoneId);
  const floor = place?.floor ?? venue.floors[0]?.floor ?? 0;
  return (
    <section class="card my-place" id="place" aria-labelledby="place-title">
      <h2 id="place-title" class="muted small">
        You are in
      </h2>
      <p class="my-zone" aria-live="polite" data-testid="my-zone">
        {place === null ? "–" : place.zoneId === null ? "No zone" : zoneName(venue, place.zoneId)}
      </p>
      {place === null ? (
        <Hint hasTag={hasTag} hasConsent={hasConsent} />
      ) : (
        <p class="muted">
          {[venue.floors.length > 1 ? floorName(venue, place.floor) : "", zone === undefined || kindName(zone.kind) === zone.name ? "" : kindName(zone.kind), place.sinceMs === null ? "" : `since ${clockTime(place.sinceMs)}`]
            .filter((part) => part !== "")
            .join(" · ")}
        </p>
      )}
      {activity !== null && (
        <p class="my-activity" aria-live="polite" data-testid="my-activity">
          <span class="muted">Now: </span>
          {activityInWords(activity)}
        </p>
      )}
      {hasConsent && hasTag && (
        <div class="my-map">
          <VenueMapView
            venue={venue}
            floor={floor}
            scene={() => sceneOf(live, venue)}
            onReady={(map) => live.useMap(map)}
            label={place?.zoneId === undefined || place.zoneId === null ? "Map of the floor" : `Map of the floor with your place in ${zoneName(venue, place.zoneId)}`}
            interactive={false}
            showGateways={false}
            isStale={kind === "reconnecting" || kind === "failed"}
          />
        </div>
      )}
    </section>
  );
}

function Hint({ hasTag, hasConsent }: { hasTag: boolean; hasConsent: boolean }): ComponentChildren {
  if (!hasConsent) return <p class="muted">You have not allowed the event to use your location. You can change this under privacy.</p>;
  if (!hasTag) return <p class="muted">You carry no tag yet. The registration desk can give you one.</p>;
  return <p class="muted">Your tag has not been heard yet. Near a gateway this takes a few seconds.</p>;
}

function sceneOf(live: LiveMe, venue: VenueMap): Scene {
  const { place } = live.state.value;
  const dots = place === null || place.spot === null || isUndrawn(venue) ? [] : [{ key: "me", look: "me" as const, label: "You", ...place.spot, floor: place.floor, isCountedElsewhere: false, heardAtMs: place.heardAtMs }];
  return { dots, counts: new Map(), hotZones: new Map(), namesByZone: new Map(), gateways: new Map(), markedZoneId: place?.zoneId ?? null };
}
