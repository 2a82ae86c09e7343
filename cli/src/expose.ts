import type { Exposition } from "@konferenco/bridge";
import type { BrokerStats } from "@konferenco/broker";
import type { CalibrationState, FusionService } from "@konferenco/fusion";

// What fusion and broker count, as Prometheus metrics: beside the bridge's in one process, by themselves in several.

export function exposeBroker({ gauge, total }: Exposition, stats: () => BrokerStats): void {
  gauge("broker_clients", "MQTT clients that are logged in", [], (set) => set(stats().clients));
  total("broker_messages_total", "MQTT messages taken", [], (set) => set(stats().received));
  total("broker_bytes_total", "Bytes of MQTT read from clients", [], (set) => set(stats().bytes));
  total("broker_refused_total", "Refused by the broker, by code (docs/errors.md)", ["code"], (set) => setByCode(set, stats().refused));
  total("broker_handler_failures_total", "Messages that could not be handed on: not acknowledged, lost at QoS 0", [], (set) => set(stats().handlerFailures));
}

export function exposeFusion({ gauge, total, histogram }: Exposition, fusion: () => Pick<FusionService, "stats" | "stages">): void {
  const stats = () => fusion().stats();
  total("fusion_messages_total", "MQTT messages that reached fusion", [], (set) => set(stats().messages));
  total("fusion_reports_total", "Reports of gateways that were accepted", [], (set) => set(stats().reports));
  total("fusion_observations_total", "Sightings that became observations", [], (set) => set(stats().observations));
  total("fusion_refused_total", "Refused by fusion, by code (docs/errors.md)", ["code"], (set) => setByCode(set, stats().refused));
  total("fusion_tag_names_refused_total", "Sightings of tags with changing names that are none of the event's", [], (set) => set(stats().refused.TAG_NAME_UNKNOWN ?? 0));
  total("fusion_timeline_total", "What came after the tick it belonged to: late inputs, those of them that could not be put in their place, inputs sent twice, ticks run again of all tags and of single ones", ["what"], (set) => {
    const { late, lateUnplaced, duplicates, replayedTicks, replayedTagTicks } = stats().timeline;
    set(late, { what: "late" });
    set(lateUnplaced, { what: "unplaced" });
    set(duplicates, { what: "duplicate" });
    set(replayedTicks, { what: "rerun_ticks" });
    set(replayedTagTicks, { what: "rerun_tag_ticks" });
  });
  total("fusion_positions_total", "Positions made, and those that were worth a write", ["what"], (set) => {
    const { positions, storedPositions } = stats();
    set(positions, { what: "made" });
    set(storedPositions, { what: "stored" });
  });
  total("fusion_transitions_total", "Changes of zone and of proximity", ["of"], (set) => {
    const { zoneTransitions, proximityTransitions } = stats();
    set(zoneTransitions, { of: "zone" });
    set(proximityTransitions, { of: "proximity" });
  });
  total("fusion_alerts_total", "Alerts taken", [], (set) => set(stats().alerts));
  histogram("fusion_stage_seconds", "From the radio to the sending (gateway), and from there to fusion beyond the quickest of the last two minutes (broker)", "stage", () => ({ ...fusion().stages }));
  gauge("fusion_tags", "Tags that fusion follows", [], (set) => set(stats().tags));
  gauge("fusion_gateways", "Gateways by state", ["state"], (set) => Object.entries(stats().gateways).forEach(([state, count]) => set(count, { state })));
  const calibrated = (pick: (state: CalibrationState) => number) => (set: (value: number, labels: Record<string, string>) => void) => {
    const { calibration } = stats();
    if (calibration !== null) set(pick(calibration), { basis: calibration.basis });
  };
  gauge("fusion_rssi_at_1m_dbm", "Level that is expected at 1 m, and what that was learned from", ["basis"], calibrated(({ rssiAt1mDbm }) => rssiAt1mDbm));
  gauge("fusion_path_loss_exponent", "How quickly levels are expected to fall with distance: 2 in free space", ["basis"], calibrated(({ pathLossExponent }) => pathLossExponent));
  gauge("fusion_wall_loss_db", "What a wall is expected to take", ["basis"], calibrated(({ wallLossDb }) => wallLossDb));
  gauge("fusion_calibration_links", "Pairs of gateways that the model rests on, one way each: those that hear the other, and those that could and do not", ["state"], (set) => {
    const { calibration } = stats();
    if (calibration === null) return;
    set(calibration.heardLinks, { state: "heard" });
    set(calibration.unheardLinks, { state: "unheard" });
  });
  gauge("fusion_store_waiting", "Commits that wait for the store", [], (set) => set(stats().storeLag));
  gauge("fusion_store_away", "1 while the store does not answer", [], (set) => set(stats().storeAway ? 1 : 0));
  total("fusion_dropped_transitions_total", "Transitions given up because the store was away for too long", [], (set) => set(stats().droppedTransitions));
}

function setByCode(set: (value: number, labels: Record<string, string>) => void, counts: Readonly<Partial<Record<string, number>>>): void {
  for (const [code, count] of Object.entries(counts)) if (count !== undefined) set(count, { code });
}
