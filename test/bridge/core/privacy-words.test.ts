import { describe, expect, it } from "vitest";
import { applyPrivacyChange, defaultPrivacySettings, type Person, type PrivacyChange, type Role, type StoredMessage, type Update } from "@konferenco/protocol";
import {
  compilePolicy,
  isConnection,
  mayWriteTo,
  type SubjectPolicy,
  type Viewer,
  type ViewerRole,
} from "../../../bridge/src/core/privacy-policy.ts";
import { projectUpdate, showChannels, showPresence, showReceipts, showTyping } from "../../../bridge/src/core/privacy.ts";

// What people say, and that they are there: under the same policy as where they are.

const NOW_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

function policy(personId: string, { role = "attendee", consent = true, connections = [], ...change }: PrivacyChange & { role?: Role; consent?: boolean; connections?: string[] } = {}): SubjectPolicy {
  const person: Person = {
    profile: { personId, name: `Name ${personId}`, role, company: "Acme", interests: [], lookingFor: "", connections },
    tagId: null,
    consent: { given: consent, atMs: 0, version: "1" },
    settings: applyPrivacyChange(defaultPrivacySettings(), change),
  };
  return compilePolicy(person);
}

const viewer = (self: SubjectPolicy | null, role: ViewerRole = "attendee", channels: string[] = ["app:lobby"]): Viewer => ({ role, personId: self?.personId ?? null, self, mayRead: (channel) => channels.includes(channel) });

const anna = policy("anna");
const ben = policy("ben");
const toLobby = { kind: "channel", id: "app:lobby" } as const;
const toBen = { kind: "user", id: "ben" } as const;

function message(more: Partial<StoredMessage> = {}): StoredMessage {
  return { id: "m-1", type: "chat/channel_message", from: "anna", to: toLobby, payload: { text: "hello" }, atMs: NOW_MS, key: "k-1", ...more };
}

const stored = (body: Update["body"]): Update => ({ updateId: { epoch: "e", offset: 17 }, storedAtMs: NOW_MS, body });
const project = (more: Partial<StoredMessage> = {}, known: readonly SubjectPolicy[] = [anna, ben]) =>
  projectUpdate(stored({ kind: "message", message: message(more) }), "ref", () => "unknown", (personId) => known.find((one) => one.personId === personId) ?? null);
const read = (who: Viewer, more: Partial<StoredMessage> = {}, known: readonly SubjectPolicy[] = [anna, ben]): unknown => JSON.parse(project(more, known).forViewer(who)?.json ?? "null");
const heard = (d: object) => ({ i: "ref", st: NOW_MS, t: "chat/channel_message", at: NOW_MS, d: { id: "m-1", body: { text: "hello" }, ...d } });
const direct = (d: object) => ({ ...heard(d), t: "chat/direct_message" });
const FROM_ANNA = { who: "person", personId: "anna", name: "Name anna" };
const DIRECT = { type: "chat/direct_message", to: toBen } as const;

describe("what is said in a channel", () => {
  it("is read by whom their token lets in, under the name of who said it, without the sender's own key", () => {
    expect(read(viewer(ben))).toEqual(heard({ from: FROM_ANNA, ch: "app:lobby" }));
    expect(read(viewer(null, "display"))).toEqual(heard({ from: FROM_ANNA, ch: "app:lobby" }));
    expect(read(viewer(ben, "attendee", []))).toBeNull();
    expect(read({ role: "attendee", personId: "ben", self: ben })).toBeNull();
  });

  it("comes back to the sender's own screens as theirs, with its key", () => {
    expect(read(viewer(anna))).toEqual(heard({ from: { who: "me" }, key: "k-1", ch: "app:lobby" }));
    expect(read(viewer(anna), { key: null })).toEqual(heard({ from: { who: "me" }, ch: "app:lobby" }));
  });

  it("carries how long it holds, its signature and that it is sealed, where it has them", () => {
    expect(read(viewer(ben), { ttlS: 60, signature: "sig", publicKey: "pk", encrypted: true })).toEqual(heard({ from: FROM_ANNA, ch: "app:lobby", ttlS: 60, sig: "sig", pk: "pk", enc: true }));
    expect(read(viewer(ben), { encrypted: false })).toEqual(heard({ from: FROM_ANNA, ch: "app:lobby" }));
  });

  it("is nobody's when its sender is erased or has taken consent back, not even their own", () => {
    for (const known of [[ben], [policy("anna", { consent: false }), ben]]) for (const who of [viewer(ben), viewer(anna), viewer(null, "staff")]) expect(read(who, {}, known)).toBeNull();
  });

  it("is not heard across a block, whoever set it", () => {
    expect(read(viewer(policy("ben", { blocked: ["anna"] })))).toBeNull();
    expect(read(viewer(ben), {}, [policy("anna", { blocked: ["ben"] })])).toBeNull();
  });

  it("from the venue has the venue's name, and no block holds against it", () => {
    expect(read(viewer(policy("ben", { blocked: ["login:desk"] })), { from: "login:desk" })).toEqual(heard({ from: { who: "venue" }, ch: "app:lobby" }));
    expect(read(viewer(ben), { ...DIRECT, from: "login:desk" })).toEqual(direct({ from: { who: "venue" }, to: "me" }));
  });

  it("is made once for all who read the same form of it", () => {
    const projection = project();
    expect(projection.forViewer(viewer(ben))).toBe(projection.forViewer(viewer(policy("cleo"))));
    expect(projection.forViewer(viewer(anna))).toBe(projection.forViewer(viewer(anna)));
    const toOne = project(DIRECT);
    expect(toOne.forViewer(viewer(ben))).toBe(toOne.forViewer(viewer(ben)));
    const fromVenue = project({ from: "login:desk" });
    expect(fromVenue.forViewer(viewer(ben))).toBe(fromVenue.forViewer(viewer(anna)));
    const friends = [policy("anna", { connections: ["ben"] }), policy("ben", { connections: ["anna"] })] as const;
    const toFriend = project(DIRECT, friends);
    expect(toFriend.forViewer(viewer(friends[1]))).toBe(toFriend.forViewer(viewer(friends[1])));
  });
});

describe("what is said to one person", () => {
  it("is theirs and the sender's alone: staff and a reader of every channel do not hear it", () => {
    expect(read(viewer(ben), DIRECT)).toEqual(direct({ from: FROM_ANNA, to: "me", request: true }));
    expect(read(viewer(anna), DIRECT)).toEqual(direct({ from: { who: "me" }, to: "ben", key: "k-1" }));
    for (const who of [viewer(policy("cleo")), viewer(null, "staff"), viewer(null, "operator"), viewer(null, "display")]) expect(read(who, DIRECT)).toBeNull();
  });

  it("is a request until both call the other a connection", () => {
    const friend = policy("anna", { connections: ["ben"] });
    expect(read(viewer(policy("ben", { connections: ["anna"] })), DIRECT, [friend])).toEqual(direct({ from: FROM_ANNA, to: "me" }));
    expect(read(viewer(ben), DIRECT, [friend])).toMatchObject({ d: { request: true } });
    expect(read({ role: "attendee", personId: "ben", self: null }, DIRECT, [friend])).toMatchObject({ d: { request: true } });
  });

  it("to oneself is to me", () => {
    expect(read(viewer(anna), { ...DIRECT, to: { kind: "user", id: "anna" } })).toEqual(direct({ from: { who: "me" }, to: "me", key: "k-1" }));
  });

  it("concerns its two people, the venue not being one; what is said in a channel is routed by the channel", () => {
    expect(project(DIRECT).people).toEqual(["ben", "anna"]);
    expect(project({ ...DIRECT, from: "ben" }).people).toEqual(["ben"]);
    expect(project({ ...DIRECT, from: "login:desk" }).people).toEqual(["ben"]);
    expect(project(DIRECT, [ben]).people).toEqual(["ben"]);
    expect(project().people).toEqual([]);
  });

  it.each([
    ["public", true, true],
    ["requests", true, true],
    ["connections", false, true],
    ["hidden", false, true],
  ] as const)("reaches one who is found by %s from a stranger: %s, from a connection and the venue: %s", (discoverability, stranger, known) => {
    const to = policy("ben", { discoverability, connections: ["anna"] });
    expect(mayWriteTo(to, anna)).toBe(stranger);
    expect(mayWriteTo(to, policy("anna", { connections: ["ben"] }))).toBe(known);
    expect(mayWriteTo(to, "venue")).toBe(known);
    expect(mayWriteTo(to, to)).toBe(true);
  });

  it("reaches nobody without consent or across a block", () => {
    expect(mayWriteTo(policy("ben", { consent: false }), "venue")).toBe(false);
    expect(mayWriteTo(policy("ben", { blocked: ["anna"] }), anna)).toBe(false);
    expect(mayWriteTo(ben, policy("anna", { blocked: ["ben"] }))).toBe(false);
    const [one, other] = [policy("anna", { connections: ["ben"] }), policy("ben", { connections: ["anna"] })];
    expect(isConnection(one, other)).toBe(true);
    expect(isConnection(one, policy("ben"))).toBe(false);
    expect(isConnection(policy("anna"), other)).toBe(false);
    expect(isConnection(one, policy("ben", { connections: ["anna"], blocked: ["anna"] }))).toBe(false);
  });
});

describe("where somebody says themselves that they are", () => {
  const shows = (level: "hidden" | "venue" | "zone" | "precise") => policy("anna", { level: "precise", audiences: { attendees: level } });

  it.each([
    ["location/position_update", [false, false, false, true]],
    ["location/zone_enter", [false, false, true, true]],
    ["location/zone_exit", [false, false, true, true]],
    ["chat/channel_message", [true, true, true, true]],
  ] as const)("%s is heard at hidden, venue, zone and precise: %s", (type, expected) => {
    expect((["hidden", "venue", "zone", "precise"] as const).map((level) => read(viewer(ben), { type }, [shows(level)]) !== null)).toEqual(expected);
  });

  it("on one's own screens is heard whatever the levels are", () => expect(read(viewer(anna), { type: "location/position_update" }, [shows("hidden")])).not.toBeNull());
});

describe("how a word travels", () => {
  it("one that is kept counts and can be taken up again; it is its speaker's in every queue", () => {
    expect(project().forViewer(viewer(ben))).toMatchObject({ lane: 1, key: null, subject: "said anna", offset: 17, storedAtMs: NOW_MS, windowMs: 100, place: null });
    expect(project({ type: "meeting/request" }).forViewer(viewer(ben))).toMatchObject({ lane: 1, key: null, windowMs: 0 });
  });

  it("one in passing is the latest of its kind, is there within 50 ms and has no place in the log", () => {
    const passing = projectUpdate(stored({ kind: "signal", signal: { kind: "said", message: message({ type: "location/zone_enter" }) } }), "ref", () => "unknown", () => anna).forViewer(viewer(ben));
    expect(passing).toMatchObject({ lane: 3, key: "location/zone_enter anna app:lobby", offset: null, storedAtMs: null, windowMs: 50 });
    expect(JSON.parse(passing?.json ?? "null")).not.toHaveProperty("i");
  });

  it("all else that bridges tell each other, and that somebody is erased, is for no viewer", () => {
    const bodies: Update["body"][] = [{ kind: "signal", signal: { kind: "resync", who: null } }, { kind: "erased" }];
    for (const body of bodies) {
      const projection = projectUpdate(stored(body), "ref", () => "unknown");
      expect([projection.people, projection.forViewer(viewer(null, "operator")), projection.forReplay(viewer(null, "operator"), NOW_MS)]).toEqual([[], null, null]);
    }
  });

  it("is replayed for a day at most, a place for an hour, and never beyond what its sender gave it", () => {
    const replayed = (ageMs: number, more: Partial<StoredMessage> = {}, who = viewer(ben)) => project(more, [policy("anna", { level: "precise", audiences: { attendees: "precise" } })]).forReplay(who, NOW_MS + ageMs) !== null;
    expect([replayed(DAY_MS), replayed(DAY_MS + 1)]).toEqual([true, false]);
    const place = { type: "location/position_update" } as const;
    expect([replayed(60 * MINUTE_MS, place), replayed(60 * MINUTE_MS + 1, place)]).toEqual([true, false]);
    expect([replayed(MINUTE_MS, { ttlS: 60 }), replayed(MINUTE_MS + 1, { ttlS: 60 })]).toEqual([true, false]);
    expect(replayed(0, {}, viewer(ben, "attendee", []))).toBe(false);
  });
});

describe("what is said in passing of a channel", () => {
  it("who is writing is told by five names at most, the rest are counted; the latest of a channel wins", () => {
    const writing = (people: number) => showTyping("app:lobby", Array.from({ length: people }, (_, n) => policy(`p-${n}`)), NOW_MS);
    const d = (people: number) => (JSON.parse(writing(people).json) as { d: { people: object[]; more: number } }).d;
    expect(d(5)).toMatchObject({ ch: "app:lobby", more: 0, people: expect.objectContaining({ length: 5 }) });
    expect(d(7)).toMatchObject({ more: 2, people: expect.objectContaining({ length: 5 }) });
    expect(d(1)).toEqual({ ch: "app:lobby", people: [{ personId: "p-0", name: "Name p-0" }], more: 0 });
    expect(writing(1)).toMatchObject({ lane: 3, key: "typing app:lobby", windowMs: 100, subject: null });
  });

  it("presence and channels near count one by one, receipts are the latest of their alert", () => {
    expect(showPresence({ whole: true, count: 0, people: [], left: [], more: 0 }, NOW_MS)).toMatchObject({ lane: 1, key: null, windowMs: 100 });
    expect(showChannels({ channels: [], entered: [], left: [] }, NOW_MS)).toMatchObject({ lane: 1, key: null, windowMs: 1_000 });
    const receipts = showReceipts("a-1", { delivered: 1, pending: 2, failed: 3 }, NOW_MS);
    expect(receipts).toMatchObject({ lane: 3, key: "receipts a-1" });
    expect(JSON.parse(receipts.json)).toEqual({ t: "receipts", at: NOW_MS, d: { alertId: "a-1", delivered: 1, pending: 2, failed: 3 } });
  });
});
