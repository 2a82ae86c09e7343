import type { GatewayHealth, VenueMap } from "@konferenco/protocol";
import { ago, counted, radioWords, zoneName } from "../common/words.ts";
import type { Target } from "../map/scene.ts";
import type { LiveVenue } from "./live-venue.ts";

interface GatewaysPanelProps {
  live: LiveVenue;
  venue: VenueMap;
  onSelect: (target: Target | null) => void;
}

/** Gateways that somebody should walk to. Good news takes one line. */
export function GatewaysPanel({ live, venue, onSelect }: GatewaysPanelProps) {
  const health = live.gateways.value;
  const troubled = venue.gateways.filter((gateway) => health.get(gateway.gatewayId)?.state !== "online");
  const nowMs = Date.now();
  return (
    <section class="card" aria-labelledby="gateways-title">
      <div class="card-head">
        <h2 id="gateways-title">Needs attention</h2>
        {troubled.length > 0 && <span class="pill pill-warn">{troubled.length}</span>}
      </div>
      {troubled.length === 0 ? (
        <p class="all-well">All {counted(venue.gateways.length, "gateway is", "gateways are")} reporting</p>
      ) : (
        <ul class="gateway-list">
          {troubled.map(({ gatewayId, zoneId }) => (
            <li key={gatewayId}>
              <button type="button" class="gateway-row" onClick={() => onSelect({ kind: "gateway", gatewayId })}>
                <span class="mark mark-gateway" data-state={health.get(gatewayId)?.state ?? "unknown"} />
                <span>
                  <span class="gateway-name">{gatewayId}</span> <span class="muted small">{zoneName(venue, zoneId)}</span>
                  <span class="muted small gateway-word">{gatewayStateWord(health.get(gatewayId), nowMs)}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="muted small">{radioWords([...health.values()])}</p>
    </section>
  );
}

const BASIS_WORD = { links: " · calibrated by its neighbours", traffic: " · calibrated by what tags sent", survey: " · calibrated by the survey" } as const;

function calibrationWord({ calibration }: GatewayHealth): string {
  if (calibration === undefined) return "";
  if (calibration.basis === "prior") return " · not calibrated yet";
  return `${BASIS_WORD[calibration.basis]} (${calibration.offsetDb > 0 ? "+" : ""}${calibration.offsetDb} dB)`;
}

/** A gateway's health, and what to look at when it is not well. */
export function gatewayStateWord(health: GatewayHealth | undefined, nowMs: number): string {
  if (health === undefined) return "Not heard of yet: is it switched on and on the network?";
  const last = health.lastReportAtMs === null ? "it never reported" : `last report ${ago(health.lastReportAtMs, nowMs)}`;
  return {
    online: `Online · ${Math.round(health.observationsPerS)} observations a second${calibrationWord(health)}`,
    silent: `Connected but hears nothing (${last}): check its Bluetooth`,
    offline: `Offline (${last}): check power and network`,
  }[health.state];
}
