import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { openEmbeddedRegistry, type Registry } from "@konferenco/bridge";
import { KeyRing, emptyBatch, openEmbeddedStore, type Store } from "@konferenco/fusion";
import { LEVELS, type Level } from "@konferenco/protocol";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../bridge/src/config.ts";
import { Connection, type Wire, type WireExtras } from "../../bridge/src/connection.ts";
import { LivePicture } from "../../bridge/src/core/live-picture.ts";
import { Hub } from "../../bridge/src/hub.ts";
import { newTimings } from "../../bridge/src/timings.ts";
import { PeopleCache } from "../../bridge/src/people-cache.ts";
import { PeopleDesk } from "../../bridge/src/people-desk.ts";
import { Replayer } from "../../bridge/src/replayer.ts";
import { subscriptionTo } from "../../bridge/src/subscriptions.ts";
import { UpdateFeed } from "../../bridge/src/update-feed.ts";

/** Settings changes, erasures, crashes, restores and replays in any order, on a clock of their own; `INTERLEAVINGS=10000` for a long look. */
const RUNS = Number(process.env["INTERLEAVINGS"] ?? 60);
const PEOPLE = ["anna", "ben"] as const;
type Who = (typeof PEOPLE)[number];

type Step =
  | { do: "move" | "forget" | "register"; who: Who }
  | { do: "level"; who: Who; level: Level }
  | { do: "consent"; who: Who; given: boolean }
  | { do: "watch"; resume: boolean }
  | { do: "pass"; ms: number }
  | { do: "crash" | "backup" | "restore" };

const who = fc.constantFrom(...PEOPLE);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("move" as const), who }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("level" as const), who, level: fc.constantFrom(...LEVELS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("consent" as const), who, given: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("forget" as const, "register" as const), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("watch" as const), resume: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 60, 1_000, 120_000) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("crash" as const, "backup" as const, "restore" as const) }) },
);

/** One setting as its owner knows it: a value holds from when it was asked for, until a later one was acknowledged. */
class Wish {
  readonly #states: { level: Level; fromMs: number; toMs: number }[] = [];

  /** Asked for now; the returned function says that it is acknowledged. */
  ask(nowMs: () => number, level: Level): () => void {
    const asked = { level, fromMs: nowMs(), toMs: Infinity };
    this.#states.push(asked);
    return () => {
      for (const state of this.#states.slice(0, this.#states.indexOf(asked))) state.toMs = Math.min(state.toMs, nowMs());
    };
  }

  /** The most that it allows; `ms`: of what happened then. */
  most(ms = Infinity): number {
    return Math.max(-1, ...this.#states.filter(({ fromMs, toMs }) => fromMs <= ms && ms <= toMs).map(({ level }) => LEVELS.indexOf(level)));
  }
}

class Wishes {
  readonly level = new Wish();
  /** Everything or nothing. */
  readonly consent = new Wish();
  isThere = true;
  erasedAtMs = -Infinity;

  most(ms?: number): number {
    return Math.min(this.level.most(ms), this.consent.most(ms));
  }
}

interface Shown {
  t: string;
  /** When it was logged; absent: a state of now. */
  st?: number;
  d: { subj?: { who: string; personId?: string; tagId?: string } };
}

interface Running {
  store: Store;
  registry: Registry;
  keys: KeyRing;
  feed: UpdateFeed;
  hub: Hub;
  replayer: Replayer;
  desk: PeopleDesk;
}

const scratch = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
const secret = new Uint8Array(32).map((_, i) => i * 7);

class Stand {
  readonly wishes: Record<Who, Wishes> = { anna: new Wishes(), ben: new Wishes() };
  readonly violations: string[] = [];
  shown = 0;
  readonly #folder = fs.mkdtempSync(path.join(scratch, "konferenco-interleavings-"));
  #installation = 0;
  #nowMs = 1_000_000;
  #running: Running | null = null;
  #last: { epoch: string; offset: number; atMs: number } | null = null;
  #rooms = 0;
  #life = 0;
  readonly #ending: Promise<unknown>[] = [];
  readonly nowMs = () => this.#nowMs;

  get #place(): string {
    return path.join(this.#folder, String(this.#installation));
  }

  get it(): Running {
    return this.#running as Running;
  }

  async open(): Promise<void> {
    const { nowMs } = this;
    const dataDir = path.join(this.#place, "data");
    fs.mkdirSync(dataDir, { recursive: true });
    const keys = await KeyRing.open({ folder: path.join(this.#place, "keys"), secret });
    const store = await openEmbeddedStore({ eventId: "e", dataDir, keys, origin: { lat: 0, lon: 0, bearingDeg: 0 }, nowMs });
    const registry = await openEmbeddedRegistry({ dataDir, keys });
    const people = new PeopleCache(registry, nowMs);
    const picture = new LivePicture();
    const eventRefKey = new Uint8Array(32);
    const log = () => undefined;
    const seal = () => "";
    const timings = newTimings();
    const hub: Hub = new Hub({ timings, people, picture, limits: DEFAULT_LIMITS, nowMs, seal, feedOffset: () => feed.at.offset, activityOf: () => null });
    const feed: UpdateFeed = new UpdateFeed({ timings, store, registry, people, picture, hub, heard: () => undefined, policyChanged: () => undefined, eventRefKey, nowMs, log });
    const replayer = new Replayer({ timings, store, people, hub, feed, eventRefKey, nowMs, log, seal });
    const desk = new PeopleDesk({ registry, feed, hub, nowMs });
    await feed.open();
    this.#running = { store, registry, keys, feed, hub, replayer, desk };
  }

  /** Asks for something; a crash meanwhile leaves it unanswered. */
  #ask(wanted: readonly (readonly [Wish, Level])[], work: () => Promise<boolean>): Promise<void> {
    const life = this.#life;
    const acknowledge = wanted.map(([wish, level]) => wish.ask(this.nowMs, level));
    return work().then(
      (done) => {
        if (done && life === this.#life) for (const tell of acknowledge) tell();
      },
      () => undefined,
    );
  }

  do(step: Step): Promise<void> {
    this.#nowMs += 1;
    const { nowMs } = this;
    switch (step.do) {
      case "move": {
        const room = `room-${this.#rooms++ % 3}`;
        const tagId = `t-${step.who}`;
        const at = { tagId, floor: 0, atMs: nowMs() };
        const batch = { ...emptyBatch(), zoneTransitions: [{ ...at, transition: "enter" as const, zoneId: room, confidence: 1 }], positions: [{ ...at, xM: 1, yM: 2, vxMps: 0, vyMps: 0, accuracy95M: 1, confidence: 1, source: "beacon" as const, zoneId: room }] };
        return this.it.store.commit(batch, nowMs()).then(() => undefined, () => undefined);
      }
      case "level": {
        const { level } = step;
        const person = this.wishes[step.who];
        if (!person.isThere) return Promise.resolve();
        const audiences = { connections: level, attendees: level, exhibitors: level, speakers: level, staff: level };
        return this.#ask([[person.level, level]], async () => (await this.it.desk.changeSettings(step.who, { level, audiences })) !== null);
      }
      case "consent": {
        const person = this.wishes[step.who];
        if (!person.isThere) return Promise.resolve();
        return this.#ask([[person.consent, step.given ? "precise" : "hidden"]], async () => (await this.it.desk.setConsent(step.who, step.given, String(nowMs()))) !== null);
      }
      case "forget": {
        const person = this.wishes[step.who];
        if (!person.isThere) return Promise.resolve();
        const life = this.#life;
        return this.#ask([[person.consent, "hidden"]], async () => {
          if ((await this.it.desk.erase(step.who)) === null || life !== this.#life) return false;
          person.isThere = false;
          person.erasedAtMs = nowMs();
          return true;
        });
      }
      case "register":
        return this.wishes[step.who].isThere ? Promise.resolve() : this.register(step.who);
      case "watch":
        this.#watch(step.resume);
        return Promise.resolve();
      case "pass":
        this.#nowMs += step.ms;
        return Promise.resolve();
      case "backup":
        fs.rmSync(path.join(this.#folder, "backup"), { recursive: true, force: true });
        return Promise.resolve(this.#copy(path.join(this.#place, "data"), path.join(this.#folder, "backup")));
      default:
        return this.#crash(step.do === "restore");
    }
  }

  async register(personId: Who): Promise<void> {
    const person = this.wishes[personId];
    person.isThere = true;
    await this.#ask([[person.level, "zone"], [person.consent, "precise"]], async () => {
      await this.it.desk.putPerson({ profile: { personId, name: personId, role: "attendee", company: "", interests: [], lookingFor: "", connections: [] }, consent: { given: true, atMs: this.#nowMs, version: "1" } });
      return this.it.desk.assignTag(`t-${personId}`, personId);
    });
  }

  /** The process is gone in the middle of what it did; another one opens what it left, or an older copy of the data. */
  async #crash(restore: boolean): Promise<void> {
    const before = this.#place;
    const { feed, store, registry, keys } = this.it;
    const backup = path.join(this.#folder, "backup");
    const data = restore && fs.existsSync(backup) ? backup : path.join(before, "data");
    this.#installation++;
    this.#life++;
    this.#copy(data, path.join(this.#place, "data"));
    this.#copy(path.join(before, "keys"), path.join(this.#place, "keys"));
    this.#ending.push(feed.close().then(() => Promise.allSettled([store.close(), registry.close()])).then(() => keys.close()));
    this.#nowMs += 10;
    await this.open();
  }

  #copy(from: string, to: string): void {
    fs.cpSync(from, to, { recursive: true, filter: (file) => !file.endsWith(".lock") && !file.endsWith(".new") });
  }

  /** An operator's page: what it is sent is judged when it is sent. */
  #watch(resume: boolean): void {
    const { hub, replayer, feed } = this.it;
    const life = this.#life;
    const wire: Wire & WireExtras = {
      kind: "poll",
      send: (text) => {
        if (life !== this.#life) return;
        const frame = JSON.parse(text) as { op: string; ev?: unknown };
        const how = connection.replay === null ? "live" : "replay";
        if (frame.op === "ev") this.#judge(frame as unknown as Shown, how);
        if (frame.op === "b") for (const event of frame.ev as Shown[]) this.#judge(event, how);
        queueMicrotask(() => connection.outbox !== null && connection.state === "open" && hub.acknowledged(connection, connection.outbox.lastS));
      },
      sendEvents: (head, tail) => wire.send(head + tail),
      close: () => undefined,
      bufferedBytes: () => 0,
      probe: () => undefined,
    };
    const connection: Connection = new Connection(wire, "", this.#nowMs);
    connection.state = "open";
    connection.subject = `login:${Math.random()}`;
    connection.viewer = { role: "operator", personId: null, self: null };
    hub.add(connection);
    if (resume) {
      connection.resumeFrom = this.#last ?? { ...feed.at, offset: 0, atMs: this.#nowMs };
      connection.resumeUntilMs = Infinity;
    }
    this.#last = { ...feed.at, atMs: this.#nowMs };
    hub.subscribe(connection, subscriptionTo("venue", { hz: 10, every: true }));
    for (const shown of hub.venueSnapshot(connection)) this.#judge(JSON.parse(shown.json) as Shown, "snapshot");
    replayer.begin(connection, "venue");
  }

  #judge({ t, st, d }: Shown, how: "live" | "replay" | "snapshot"): void {
    const { subj } = d;
    if (subj === undefined) return;
    this.shown++;
    if (subj.who === "tag") return void this.violations.push(`${how}: the tag ${subj.tagId} as a thing, at ${this.#nowMs}`);
    const person = this.wishes[subj.personId as Who];
    const needs = LEVELS.indexOf(t === "position" ? "precise" : "zone");
    if (person.most() < needs) this.violations.push(`${how}: ${t} of ${subj.personId}, who shows ${LEVELS[person.most()]} now`);
    if (st === undefined || how !== "replay") return;
    // What is replayed is no finer than it was shown then either.
    if (person.most(st) < needs) this.violations.push(`${how}: ${t} of ${subj.personId} from ${st}, when they showed ${LEVELS[person.most(st)]}`);
    if (st < person.erasedAtMs) this.violations.push(`${how}: ${t} of ${subj.personId} from ${st}, before they were erased`);
  }

  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#running === null) continue;
      this.#nowMs += 1;
      this.it.hub.tick();
      this.it.replayer.tick();
    }
  }

  async close(): Promise<void> {
    const { feed, store, registry, keys } = this.it;
    await feed.close();
    await Promise.allSettled([store.close(), registry.close()]);
    keys.close();
    await Promise.all(this.#ending);
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

it(`no output breaks an acknowledged setting: ${RUNS} interleavings of changes, erasures, crashes, restores and replays`, async () => {
  let shown = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ step, turns: fc.integer({ min: 0, max: 4 }), waits: fc.boolean() }), { minLength: 10, maxLength: 40 }), async (steps) => {
      const stand = new Stand();
      await stand.open();
      try {
        for (const personId of PEOPLE) await stand.register(personId);
        for (const { step: next, turns, waits } of steps) {
          const done = stand.do(next);
          // Nobody opens a process that is not there yet; all else may go on meanwhile.
          if (waits || next.do === "crash" || next.do === "restore") await done;
          await stand.turns(turns);
        }
        await stand.turns(30);
        expect(stand.violations).toEqual([]);
        shown += stand.shown;
      } finally {
        await stand.close();
      }
    }),
    { numRuns: RUNS, ...(process.env["SEED"] === undefined ? {} : { seed: Number(process.env["SEED"]) }) },
  );
  // Else nothing was looked at.
  expect(shown).toBeGreaterThan(RUNS);
}, 60_000 + RUNS * 2_000);
