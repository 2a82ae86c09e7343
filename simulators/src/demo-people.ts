import { personSchema, type Person, type PersonId, type TagId } from "@konferenco/protocol";
import { walkerRole, walkerTagIds } from "./crowd.ts";
import { newRandom, type Random } from "./random.ts";

/** Whoever opens the demo's attendee page: carries the first walker's tag and walks with the second. */
export const DEMO_PERSON_ID: PersonId = "you";

export interface DemoPeopleOptions {
  seed: string | number;
  /** One person per tag; default: the default crowd's. */
  tags?: number | readonly TagId[];
  /** When consent was given. */
  nowMs: number;
}

/**
 * Invented people for the simulation's walkers, as data for the registry. Settings are mixed as at a real event, so that
 * every rule of the policy can be seen at work: 60 % let staff see them precisely, 25 % by zone, 8 % are hidden, 7 % have
 * not consented. Shares are exact per hundred, not rolled, so that small demos have all of them.
 */
export function demoPeople(options: DemoPeopleOptions): Person[] {
  const { seed, tags = 48, nowMs } = options;
  const tagIds = typeof tags === "number" ? walkerTagIds(tags) : tags;
  const dice = newRandom(`people/${seed}`);
  const names = shuffled(FIRST_NAMES.flatMap((first) => LAST_NAMES.map((last) => `${first} ${last}`)), dice.fork("names"));
  const manners = shuffled(tagIds.map((_, index) => mannerAt(index, tagIds.length)), dice.fork("manners"));
  const ids = tagIds.map((_, index) => (index === 0 ? DEMO_PERSON_ID : `person-${String(index + 1).padStart(3, "0")}`));
  const people = tagIds.map((tagId, index): Person => {
    const own = dice.fork(tagId);
    // You and your companion are always to be seen: a demo without them shows nothing.
    const manner = index < 2 ? "precise" : (manners[index] as Manner);
    const role = walkerRole(index);
    const given = manner !== "no consent";
    return personSchema.parse({
      profile: {
        personId: ids[index],
        name: index < names.length ? names[index] : `Attendee ${index + 1}`,
        role,
        company: role === "exhibitor" ? own.pick(EXHIBITORS) : own.pick(COMPANIES),
        interests: shuffled(INTERESTS, own).slice(0, 2 + own.integer(3)),
        lookingFor: own.pick(LOOKING_FOR),
        connections: [],
      },
      tagId,
      consent: { given, atMs: nowMs, version: "demo-1" },
      settings: settingsOf(manner, own),
    });
  });
  connect(people, dice.fork("connections"));
  return people;
}

type Manner = "precise" | "zone" | "hidden" | "no consent";

function mannerAt(index: number, count: number): Manner {
  const share = (index + 0.5) / count;
  if (share < 0.6) return "precise";
  if (share < 0.85) return "zone";
  return share < 0.93 ? "hidden" : "no consent";
}

function settingsOf(manner: Manner, own: Random) {
  switch (manner) {
    case "precise":
      return {
        level: "precise",
        audiences: { connections: "precise", attendees: own.next() < 0.5 ? "precise" : "zone", speakers: "zone", staff: "precise" },
        discoverability: own.next() < 0.6 ? "public" : "requests",
        proximityAlerts: own.next() < 0.9,
      };
    case "zone":
      return { level: "zone", discoverability: "requests", proximityAlerts: own.next() < 0.7 };
    case "hidden":
      return { level: "hidden", discoverability: "hidden", proximityAlerts: false };
    case "no consent":
      return {};
  }
}

/** Connections are mutual: you know eight people, your companion first; the others two or three. */
function connect(people: readonly Person[], dice: Random): void {
  const tie = (a: Person, b: Person): void => {
    if (a === b || a.profile.connections.includes(b.profile.personId)) return;
    a.profile.connections.push(b.profile.personId);
    b.profile.connections.push(a.profile.personId);
  };
  const [you, companion] = people;
  if (you === undefined || companion === undefined) return;
  you.settings.proximityAlerts = true;
  companion.settings.proximityAlerts = true;
  // Something to talk about.
  const [topic] = you.profile.interests;
  if (topic !== undefined && !companion.profile.interests.includes(topic)) companion.profile.interests.push(topic);
  tie(you, companion);
  for (const other of shuffled(people.slice(2), dice).slice(0, 7)) tie(you, other);
  for (const person of people) for (let i = 0; i < 2; i++) tie(person, dice.pick(people));
}

function shuffled<T>(values: readonly T[], dice: Random): T[] {
  const mixed = [...values];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = dice.integer(i + 1);
    [mixed[i], mixed[j]] = [mixed[j] as T, mixed[i] as T];
  }
  return mixed;
}

const FIRST_NAMES = [
  "Adaeze", "Alejandro", "Amara", "Anouk", "Arjun", "Aylin", "Beatriz", "Chen", "Daria", "Elif", "Emeka", "Farah", "Freja", "Giulia", "Hana", "Ibrahim",
  "Ingrid", "Jonas", "Kamila", "Kenji", "Laila", "Leon", "Linh", "Mateo", "Mei", "Milan", "Nadia", "Noah", "Olumide", "Priya", "Rafael", "Sakura",
];
const LAST_NAMES = [
  "Adeyemi", "Andersen", "Bauer", "Costa", "Dubois", "Eriksson", "Fischer", "García", "Haddad", "Ivanova", "Kaya", "Kowalska", "Lindqvist", "Mbeki", "Nakamura", "Nguyen",
  "Okafor", "Papadopoulou", "Rossi", "Sharma", "Tanaka", "Virtanen", "Weber", "Yılmaz",
];
const EXHIBITORS = ["Acme Robotics", "Borealis Cloud", "Cobalt Sensors", "Delta Print", "Ember Energy"];
const COMPANIES = [...EXHIBITORS, "Fjord Analytics", "Granite Bank", "Helio Labs", "Iris Health", "Juniper Mobility", "Kestrel Games", "University of Turku", "independent"];
const INTERESTS = ["AI", "accessibility", "climate", "databases", "design", "edge computing", "healthcare", "IoT", "open source", "privacy", "robotics", "security", "startups", "sustainability"];
const LOOKING_FOR = ["", "mentor", "hire", "partner", "investor", "job"];
