import type { NearbyChannel } from "@konferenco/protocol";
import { useEffect } from "preact/hooks";
import { counted } from "../common/words.ts";
import type { LiveMe } from "./live-me.ts";

/** Conversations of the places around me: to join by hand or, if I wish so, as I enter. */
export function ChannelsCard({ live }: { live: LiveMe }) {
  const { channels } = live.state.value;
  const joined = live.joined.value;
  const joinsAlone = live.joinsAlone.value.value;
  const suggested = channels.filter((channel) => channel.autoJoin && channel.distanceM === 0 && !joined.has(channel.channelId));
  useEffect(() => {
    if (joinsAlone) for (const { channelId } of suggested) live.join(channelId);
  }, [joinsAlone, suggested.map(({ channelId }) => channelId).join(" ")]);
  if (channels.length === 0 && joined.size === 0) return null;
  const away = [...joined].filter(([channelId]) => !channels.some((channel) => channel.channelId === channelId));
  return (
    <section class="card" id="channels" aria-labelledby="channels-title">
      <div class="card-head">
        <h2 id="channels-title">Channels near me</h2>
      </div>
      <ul class="my-channels" data-testid="channels">
        {channels.map((channel) => (
          <Row key={channel.channelId} live={live} channelId={channel.channelId} name={channel.name} where={whereInWords(channel)} />
        ))}
        {away.map(([channelId, { name }]) => (
          <Row key={channelId} live={live} channelId={channelId} name={name} where="not near any more" />
        ))}
      </ul>
      <label class="switch">
        <span>Join by itself</span>
        <input type="checkbox" role="switch" checked={joinsAlone} onChange={(event) => live.joinsAlone.change(event.currentTarget.checked)} />
        <span class="muted small">When I enter a place that suggests its channel.</span>
      </label>
    </section>
  );
}

function Row({ live, channelId, name, where }: { live: LiveMe; channelId: string; name: string; where: string }) {
  const membership = live.joined.value.get(channelId);
  return (
    <li class="my-channel">
      <span>
        <b>{name}</b>
        <span class="muted small">{[where, membership === undefined || membership.people === null ? "" : counted(membership.people, "person there", "people there")].filter((part) => part !== "").join(" · ")}</span>
      </span>
      <button type="button" class={membership === undefined ? "button slim" : "button slim quiet"} aria-label={membership === undefined ? `Join ${name}` : `Leave ${name}`} onClick={() => (membership === undefined ? live.join(channelId) : live.leave(channelId))}>
        {membership === undefined ? "Join" : "Leave"}
      </button>
    </li>
  );
}

function whereInWords({ distanceM, signalPct }: NearbyChannel): string {
  if (distanceM === 0) return "here";
  return signalPct === null ? `${distanceM} m away` : `about ${distanceM} m away, signal ${signalPct} %`;
}
