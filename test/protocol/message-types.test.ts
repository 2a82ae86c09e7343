import { describe, expect, it } from "vitest";
import { LOG_RETENTION_MS, MESSAGE_ALIASES, MESSAGE_TYPES, appChannelSchema, cleanPayload, messageTypeOf, replayMsOf, windowMsOf, type MessageType } from "@konferenco/protocol";

const DAY_MS = 24 * 60 * 60_000;
const types = Object.entries(MESSAGE_TYPES) as [string, MessageType][];
const family = (name: string) => types.filter(([type]) => type.startsWith(`${name}/`));

describe("the registry of event types", () => {
  it("has the 26 subtypes of the taxonomy with their rows", () => {
    const rows: Record<string, [string[], string, string, number | null, number]> = {
      chat: [["channel_message", "direct_message", "thread_reply", "reaction", "mention"], "normal", "at_least_once", 90 * DAY_MS, 4_096],
      schedule: [["session_start", "session_end", "session_change", "session_cancelled", "speaker_update"], "critical", "exactly_once", null, 2_048],
      meeting: [["request", "accept", "decline", "propose_time", "cancel", "reminder"], "high", "exactly_once", 30 * DAY_MS, 2_048],
      marketplace: [["listing_new", "listing_update", "inquiry", "offer", "offer_response", "transaction"], "normal", "exactly_once", 90 * DAY_MS, 8_192],
      location: [["position_update", "zone_enter", "zone_exit"], "high", "best_effort", DAY_MS / 24, 256],
    };
    for (const [name, [subtypes, priority, delivery, retentionMs, maxBytes]] of Object.entries(rows)) {
      for (const subtype of subtypes) expect(messageTypeOf(`${name}/${subtype}`), `${name}/${subtype}`).toMatchObject({ priority, delivery, retentionMs, maxBytes });
    }
    expect(MESSAGE_TYPES["location/proximity_alert"]).toMatchObject({ priority: "high", retentionMs: DAY_MS / 24 });
    expect(messageTypeOf("chat/reaction")?.rate).toMatchObject({ count: 10, withinMs: 60_000 });
    expect(messageTypeOf("meeting/cancel")?.rate).toMatchObject({ count: 20, withinMs: 3_600_000 });
    expect(messageTypeOf("marketplace/offer")?.rate).toMatchObject({ count: 5, withinMs: 60_000 });
    expect(messageTypeOf("location/zone_enter")?.rate).toMatchObject({ count: 1, withinMs: 1_000 });
    expect(family("schedule").every(([, type]) => type.senders.length === 1 && type.senders[0] === "system")).toBe(true);
  });

  it("settles every other name of the documents, and takes no name that it does not know", () => {
    const named = "NEW_CHAT_MESSAGE CHAT_VOTE_UPDATE NEW_NEWSFEED_POST CHANNEL_VOTE_UPDATE TOPIC_ROW_RANKING_UPDATE CHANNEL_STABILIZATION CHANNEL_MEMBER_UPDATE VOTE_TOKENS_UPDATE BIOMETRIC_VERIFICATION_RESULT PROXIMITY_CHANNEL_DETECTED LOCATION_CHANNELS_UPDATE response_posted response_edited response_deleted analysis_updated typing_started typing_stopped user_joined user_left serendipity_match typing_indicator meeting_request marketplace_transaction message_edit channel_membership emergency_alert location_update";
    for (const name of named.split(" ")) expect(messageTypeOf(name), name).not.toBeNull();
    for (const name of ["alert/emergency", "alert/mode", "alert/update", "occupancy/hot_spot", "location/place_nearby", "occupancy/count", "contact/request", "contact/block", "control/resync", "signal/offer", "signal/answer", "signal/candidate"]) expect(messageTypeOf(name)?.name).toBe(name);
    for (const name of ["", "chat", "chat/", "__proto__", "constructor", "toString"]) expect(messageTypeOf(name)?.name ?? null).toBe(name === "chat" ? "chat/channel_message" : null);
    for (const of of Object.values(MESSAGE_ALIASES)) expect(MESSAGE_TYPES).toHaveProperty([of]);
  });

  it("is consistent: what is best effort is not logged, what is logged is replayed within the log, what nobody sends says how it is told", () => {
    for (const [name, type] of types) {
      if (type.wire === undefined) expect(type.lane === 3, name).toBe(type.delivery === "best_effort");
      expect(replayMsOf(type), name).toBeLessThanOrEqual(LOG_RETENTION_MS);
      expect(type.senders.length === 0, name).toBe(type.wire !== undefined);
      expect(type.maxBytes, name).toBeLessThanOrEqual(8_192);
      if (type.priority === "critical" && type.delivery !== "best_effort") expect(type.lane, name).toBe(0);
    }
    expect([windowMsOf("critical"), windowMsOf("high"), windowMsOf("normal"), windowMsOf("low")]).toEqual([0, 0, 100, 1_000]);
  });
});

describe("what people write", () => {
  it("loses control and direction-changing characters in every text of it, however deep, and nothing else", () => {
    expect(cleanPayload({ a: "x\u0007\u202ey", "b\u0000": [1, { c: "\u2066z" }, null, true] })).toEqual({ a: "xy", b: [1, { c: "z" }, null, true] });
    let deep: unknown = "text";
    for (let n = 0; n < 40; n++) deep = [deep];
    expect(JSON.stringify(cleanPayload(deep)).length).toBeLessThan(60);
  });

  it("goes to channels whose names are ids behind app:", () => {
    for (const name of ["app:lobby", "app:session-1.a_b:c"]) expect(appChannelSchema.safeParse(name).success).toBe(true);
    for (const name of ["app:", "lobby", "app: x", "app:-x", `app:${"x".repeat(61)}`, "app:a\n"]) expect(appChannelSchema.safeParse(name).success).toBe(false);
  });
});
