import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scheduleSchema, venueFromGeoJson, venueMapSchema, type Activity, type ActivityView, type ClientEvent, type Position, type PrivacyChange } from "@konferenco/protocol";
import { openTestBridge, venue as plainVenue, type TestBridge, type TestClient } from "./support/harness.ts";

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const ENDS_MS = NOW_MS + HOUR_MS;
const SEATS = 10;

const venue = venueMapSchema.parse({
  ...plainVenue,
  origin: { lat: 53.5, lon: 10, bearingDeg: 0 },
  zones: [...plainVenue.zones, { zoneId: "yard", name: "Yard", kind: "outdoor", floor: 0 }, { zoneId: "lounge", name: "Lounge", kind: "lounge", floor: 0, polygons: [[[40, 0], [60, 0], [60, 20], [40, 20]]] }],
});
const schedule = scheduleSchema.parse({
  v: 1,
  sessions: [{ sessionId: "keynote", name: "Keynote", zoneId: "room-a", startMs: NOW_MS - HOUR_MS, endMs: ENDS_MS, capacity: SEATS }],
  booths: [{ exhibitorId: "acme", name: "Acme", zoneId: "room-b" }],
  meetings: [{ meetingId: "m-1", name: "Ann and Ben", zoneId: "lounge", startMs: NOW_MS, endMs: ENDS_MS, personIds: ["ann", "ben"] }],
  regions: [
    { regionId: "track", name: "Track A", area: { zoneIds: ["room-a"] }, channelId: "track-a", topics: ["AI"], signals: ["02:00:5E:00:00:01"] },
    { regionId: "outside", name: "Outside", area: { zoneIds: ["yard"] }, channelId: "outside", autoJoin: true },
  ],
});

let test: TestBridge;
beforeEach(async () => {
  test = await openTestBridge({ venue, schedule });
});
afterEach(() => test.close());

const KEYNOTE: Activity = { kind: "in_session", sessionId: "keynote" };
const KEYNOTE_VIEW: ActivityView = { ...KEYNOTE, name: "Keynote", untilMs: ENDS_MS };
const everybody = (level: "zone" | "precise"): PrivacyChange => ({ level, audiences: { connections: level, attendees: level, exhibitors: level, speakers: level, staff: level } });

async function attend(personId: string, settings: PrivacyChange = everybody("zone"), more: { consent?: boolean; connections?: string[]; interests?: string[] } = {}): Promise<void> {
  await test.addPerson(personId, { tagId: `t-${personId}`, settings, ...more });
}

function at(personId: string, zoneId: string | null, activity?: Activity, place: Partial<Position> = {}): Promise<void> {
  return test.move(`t-${personId}`, { zoneId, ...(activity === undefined ? {} : { activity }), ...place });
}

type ActivityEvent = Extract<ClientEvent, { t: "activity" }>;
const isActivity = (event: ClientEvent): event is ActivityEvent => event.t === "activity";
const toldTo = (client: TestClient): (ActivityView | null)[] => [...client.snapshots, ...client.events.map(({ event }) => event)].filter(isActivity).map(({ d }) => d.activity);
const doing = (kind: Activity["kind"]) => (event: ClientEvent) => isActivity(event) && event.d.activity?.kind === kind;

async function watch(role: "attendee" | "staff", channel: string, personId: string | null = null): Promise<TestClient> {
  const client = await test.client(role, personId);
  await client.subscribe(channel);
  return client;
}

describe("what I am doing", () => {
  it("is told to me with its name and its end, when it changes and when my page opens", async () => {
    await attend("ann");
    const open = await watch("attendee", "me", "ann");
    await at("ann", "room-a", KEYNOTE);
    await open.event(doing("in_session"));
    expect(toldTo(open)).toEqual([KEYNOTE_VIEW]);
    const later = await watch("attendee", "me", "ann");
    expect(toldTo(later)).toEqual([KEYNOTE_VIEW]);
    expect((await test.api("GET", "/api/v1/me/activity", { as: { role: "attendee", personId: "ann" } })).body).toEqual({ activity: KEYNOTE_VIEW });
  });

  it("is nothing without my consent, to me neither", async () => {
    await attend("ann", everybody("precise"), { consent: false });
    await at("ann", "room-a", KEYNOTE);
    const own = await watch("attendee", "me", "ann");
    const staff = await watch("staff", "venue");
    await at("ann", "lounge", { kind: "networking" });
    await own.settled();
    expect([toldTo(own), toldTo(staff)]).toEqual([[], []]);
    expect((await test.api("GET", "/api/v1/me/activity", { as: { role: "attendee", personId: "ann" } })).body).toEqual({ activity: null });
  });
});

describe("what staff see of an activity", () => {
  it("at level precise is what the person does, at level zone what the zone says of everybody there, at venue nothing", async () => {
    await attend("ann", everybody("precise"));
    await attend("ben", everybody("zone"));
    await attend("cem", { level: "venue" });
    const staff = await watch("staff", "venue");
    const networking: Activity = { kind: "networking" };
    // All three stand in the room of the keynote and talk to somebody.
    for (const personId of ["ann", "ben", "cem"]) await at(personId, "room-a", networking);
    await staff.until(() => toldTo(staff).length >= 2);
    const told = staff.events.map(({ event }) => event).filter(isActivity).map(({ d }) => [d.subj.who === "person" ? d.subj.personId : null, d.activity]);
    expect(told.toSorted()).toEqual([["ann", networking], ["ben", KEYNOTE_VIEW]].toSorted());
  });

  it("is nothing once the person shows no session, and comes back when they do", async () => {
    await attend("ann", everybody("precise"));
    await at("ann", "room-a", KEYNOTE);
    const staff = await watch("staff", "venue");
    const own = await watch("attendee", "me", "ann");
    await own.ask({ op: "set", privacy: { presence: { session: false } } });
    await staff.event((event) => isActivity(event) && event.d.activity === null);
    await own.ask({ op: "set", privacy: { presence: { session: true } } });
    await staff.event(doing("in_session"));
    expect(toldTo(staff)).toEqual([KEYNOTE_VIEW, null, KEYNOTE_VIEW]);
    expect(toldTo(own)).toEqual([KEYNOTE_VIEW, KEYNOTE_VIEW, KEYNOTE_VIEW]);
  });

  it("is forgotten with the person who hides", async () => {
    await attend("ann", everybody("precise"));
    await at("ann", "room-a", KEYNOTE);
    const staff = await watch("staff", "venue");
    const own = await watch("attendee", "me", "ann");
    await own.ask({ op: "set", privacy: { level: "hidden" } });
    await at("ann", "lounge", { kind: "networking" });
    await staff.settled();
    expect(staff.frames.some((frame) => frame.op === "forget" && frame.subj === "ann")).toBe(true);
    expect(toldTo(staff)).toEqual([KEYNOTE_VIEW]);
  });
});

describe("what people nearby are doing", () => {
  const nearby = async (personId: string) => (await test.api("GET", "/api/v1/nearby?within=same_venue", { as: { role: "attendee", personId } })).body.people as { personId: string; activity?: ActivityView }[];

  it("is seen by connections as it is at level precise, by strangers as their zone tells, by nobody where they show no session", async () => {
    await attend("ann", everybody("zone"), { connections: ["ben"] });
    await attend("ben", everybody("precise"), { connections: ["ann"] });
    await attend("cem", everybody("zone"));
    await attend("dia", { ...everybody("precise"), presence: { session: false } });
    for (const personId of ["ann", "ben", "cem", "dia"]) await at(personId, "room-a", { kind: "networking" });
    const seen = Object.fromEntries((await nearby("ann")).map(({ personId, activity }) => [personId, activity?.kind ?? null]));
    expect(seen).toEqual({ ben: "networking", cem: "in_session", dia: null });
  });
});

describe("a meeting", () => {
  const metSince = async (client: TestClient) => {
    for (let s = 0; s < 4; s++) {
      test.skewMs(11_000);
      await client.settled();
      await new Promise((resolve) => setTimeout(resolve, 120)); // two ticks of the bridge
    }
  };

  it("that has held half a minute is what its people do; others see that there is one, and not which", async () => {
    await attend("ann", everybody("precise"), { connections: ["ben"] });
    await attend("ben", everybody("precise"), { connections: ["ann"] });
    const own = await watch("attendee", "me", "ann");
    const staff = await watch("staff", "venue");
    for (const personId of ["ann", "ben"]) await at(personId, "lounge", { kind: "networking" }, { xM: 45 });
    await metSince(own);
    await own.event(doing("in_meeting"));
    await staff.event(doing("in_meeting"));
    expect(toldTo(own).at(-1)).toEqual({ kind: "in_meeting", meetingId: "m-1", name: "Ann and Ben", untilMs: ENDS_MS });
    expect(staff.everything).not.toContain(`"m-1"`);
    expect(toldTo(staff).filter((activity) => activity?.kind === "in_meeting")).toEqual([{ kind: "in_meeting" }, { kind: "in_meeting" }]);
  });

  it("does not tell one of them that the other, who hides, has come", async () => {
    await attend("ann", everybody("precise"), { connections: ["ben"] });
    await attend("ben", { level: "hidden" }, { connections: ["ann"] });
    const own = await watch("attendee", "me", "ann");
    for (const personId of ["ann", "ben"]) await at(personId, "lounge", { kind: "networking" }, { xM: 45 });
    await metSince(own);
    expect(toldTo(own)).toEqual([{ kind: "networking" }]);
  });
});

describe("regions and channels", () => {
  type ChannelsEvent = Extract<ClientEvent, { t: "channels" }>;
  const channelsOf = (client: TestClient) => [...client.snapshots, ...client.events.map(({ event }) => event)].filter((event): event is ChannelsEvent => event.t === "channels").map(({ d }) => d);
  const entered = (client: TestClient) => channelsOf(client).flatMap((d) => [...d.left.map((id) => `out ${id}`), ...d.entered.map((id) => `in ${id}`)]);
  /** The bridge looks every two seconds of its clock, twice a second of ours. */
  const looks = async (client: TestClient, wanted: string[]) => {
    for (let i = 0; i < 30 && entered(client).length < wanted.length; i++) {
      test.skewMs(2_100);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(entered(client)).toEqual(wanted);
  };

  it("are entered and left by whoever walks, drawn or not, and told to them alone", { timeout: 40_000 }, async () => {
    await attend("ann", everybody("precise"), { interests: ["ai"] });
    await attend("ben", everybody("precise"));
    await at("ann", "room-a", undefined, { xM: 3, yM: 4 });
    const own = await watch("attendee", "nearby", "ann");
    expect(channelsOf(own)[0]?.channels).toEqual([{ channelId: "track-a", name: "Track A", distanceM: 0, relevance: 1, signalPct: null, autoJoin: false }]);
    const other = await watch("attendee", "nearby", "ben");
    await looks(own, ["in track"]);
    await at("ann", "yard", undefined, { xM: -9, yM: 4 });
    await looks(own, ["in track", "out track", "in outside"]);
    expect(channelsOf(own).at(-1)?.channels.map(({ channelId, distanceM, autoJoin }) => [channelId, distanceM, autoJoin])).toEqual([["track-a", 9, false], ["outside", 0, true]]); // what one is interested in goes before what one stands in
    expect(channelsOf(other)).toEqual([]);
  });

  it("are found by what a phone hears, where the venue does not know it; not more often than once a second", async () => {
    await attend("ann");
    const as = { role: "attendee", personId: "ann" } as const;
    const ask = (body: object) => test.api("POST", "/api/v1/channels/nearby", { as, body });
    expect((await ask({})).body).toEqual({ channels: [] });
    expect((await ask({ heard: [{ signal: "02:00:5e:00:00:01", rssiDbm: -70 }] })).body.channels).toMatchObject([{ channelId: "track-a", distanceM: 3, signalPct: 50 }]);
    expect((await ask({ heard: [{ signal: "x", rssiDbm: 3 }] })).status).toBe(400);
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask({})));
    expect(answers.some(({ status }) => status === 429)).toBe(true);
  });

  it("say nothing of somebody without consent", async () => {
    await attend("ann", everybody("precise"), { consent: false });
    await at("ann", "room-a");
    const own = await watch("attendee", "nearby", "ann");
    expect((await test.api("POST", "/api/v1/channels/nearby", { as: { role: "attendee", personId: "ann" }, body: {} })).body).toEqual({ channels: [] });
    expect(channelsOf(own)).toEqual([]);
  });
});

describe("how full it is", () => {
  const occupancy = async (role: "staff" | "attendee" | "display") => (await test.api("GET", "/api/v1/occupancy", { as: { role, personId: role === "attendee" ? "p-0" : null } })).body as { zones: { zoneId: string; count: number; hot?: true; capacity?: number }[]; sessions?: object[] };
  const fill = (count: number) => test.commit({ positions: Array.from({ length: count }, (_, i) => ({ tagId: `t-p-${i}`, atMs: test.nowMs(), xM: 5, yM: 5, floor: 0, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 0.9, source: "beacon" as const, zoneId: "room-a", activity: KEYNOTE })) });

  it("a room that stays full is a hot spot, and who stays five minutes has attended: exact for staff, of the released counts for all", { timeout: 60_000 }, async () => {
    await test.addPerson("p-0", { tagId: "t-p-0", settings: everybody("zone") });
    await fill(SEATS);
    const looked = async (wanted: () => Promise<boolean>) => {
      for (let i = 0; i < 40; i++) {
        if (await wanted()) return true;
        test.skewMs(61_000);
        await fill(SEATS);
        await new Promise((resolve) => setTimeout(resolve, 1_000)); // the bridge counts once a second of ours
      }
      return false;
    };
    const roomA = async (role: "staff" | "display") => (await occupancy(role)).zones.find(({ zoneId }) => zoneId === "room-a");
    expect(await looked(async () => (await roomA("staff"))?.hot === true)).toBe(true);
    expect(await roomA("staff")).toEqual({ zoneId: "room-a", count: SEATS, hot: true, capacity: SEATS });
    expect(await looked(async () => ((await occupancy("staff")).sessions?.[0] as { attended?: number })?.attended === SEATS)).toBe(true);
    expect((await occupancy("staff")).sessions).toEqual([{ sessionId: "keynote", present: SEATS, attended: SEATS, peak: SEATS }]);
    // One of ten shows their zone to attendees: what is released of that is no hot spot.
    expect((await roomA("display"))?.hot).toBeUndefined();
    expect((await occupancy("attendee")).sessions).toBeUndefined();
  });
});

describe("the programme", () => {
  it("is there for everybody, without transmitters and with one's own meetings alone", async () => {
    for (const personId of ["ann", "cem"]) await attend(personId);
    const of = async (personId: string) => (await test.api("GET", "/api/v1/schedule", { as: { role: "attendee", personId } })).body;
    const anns = await of("ann");
    expect(anns.sessions).toEqual(schedule.sessions);
    expect(anns.meetings).toEqual(schedule.meetings);
    expect(JSON.stringify(anns)).not.toContain("02:00");
    expect((await of("cem")).meetings).toEqual([]);
  });
});

describe("a schedule that changes while the bridge runs", () => {
  it("is what everybody reads, what seats a room has and which regions there are", { timeout: 40_000 }, async () => {
    await attend("ann", everybody("precise"));
    const staff = await watch("staff", "venue");
    await at("ann", "room-a", KEYNOTE);
    await staff.event(doing("in_session"));
    const own = await watch("attendee", "nearby", "ann");
    const regionsTold = () => own.events.flatMap(({ event }) => (event.t === "channels" ? [...event.d.entered.map((id) => `in ${id}`), ...event.d.left.map((id) => `out ${id}`)] : []));
    const until = async (wanted: string[]) => {
      for (let i = 0; i < 30 && regionsTold().length < wanted.length; i++) {
        test.skewMs(2_100);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      expect(regionsTold()).toEqual(wanted);
    };
    await until(["in track"]);

    test.bridge.setSchedule(scheduleSchema.parse({ v: 1, sessions: [{ sessionId: "panel", name: "Panel", zoneId: "room-a", startMs: NOW_MS - HOUR_MS, endMs: ENDS_MS }] }));
    await until(["in track", "out track"]);
    expect((await test.api("GET", "/api/v1/schedule", { as: { role: "attendee", personId: "ann" } })).body).toMatchObject({ sessions: [{ sessionId: "panel" }], booths: [], regions: [], meetings: [] });
    await at("ann", "room-a", { kind: "in_session", sessionId: "panel" });
    await staff.event((event) => isActivity(event) && event.d.activity?.kind === "in_session" && event.d.activity.name === "Panel");

    test.bridge.setSchedule(schedule);
    await until(["in track", "out track", "in track"]);
  });
});

describe("the map as GeoJSON", () => {
  const TYPE = "application/geo+json";

  it("goes out and comes in as it was, through the API", async () => {
    const as = { role: "operator", personId: null } as const;
    const out = await test.api("GET", "/api/v1/venue", { as, headers: { Accept: TYPE } });
    expect(out.headers.get("content-type")).toBe(TYPE);
    expect(out.body.type).toBe("FeatureCollection");
    expect(venueFromGeoJson(out.body, "venue.geojson")).toEqual(venue);
    const back = await test.api("POST", "/api/v1/venue/convert", { as, text: JSON.stringify(out.body), type: TYPE });
    expect(back.status).toBe(200);
    expect(back.body).toEqual(venue);
  });

  it("is the operator's to convert, and a fault is named", async () => {
    const convert = (role: "operator" | "display", text: string) => test.api("POST", "/api/v1/venue/convert", { as: { role, personId: null }, text, type: TYPE });
    expect((await convert("display", "{}")).status).toBe(403);
    for (const text of ["{", '{"type":"Feature"}']) expect(await convert("operator", text)).toMatchObject({ status: 400, body: { error: { code: "bad_request" } } });
  });

  it("holds no tags and no notes for attendees", async () => {
    await attend("ann");
    const out = await test.api("GET", "/api/v1/venue", { as: { role: "attendee", personId: "ann" }, headers: { Accept: TYPE } });
    expect(JSON.stringify(out.body)).not.toMatch(/t-secret|keys are at the desk/);
  });
});
