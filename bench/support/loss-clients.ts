import { connect, type KonferencoClient } from "@konferenco/client";
import { WebSocket } from "ws";
import { answerQuestions } from "./child.ts";
import { EventSourceReader, type StreamEvent } from "./event-source.ts";
import { FaultyLink, type Weather } from "./faulty-link.ts";

// Clients behind a network with faults, as pages have them (the client library) and as others write them (an
// EventSource); and the book of what each was told.

/** A logged fact that some clients must be told of, exactly once. `person` null: everybody. */
export interface Fact {
  what: string;
  person: string | null;
}

export interface LossClient {
  kind: "library" | "event source";
  token: string;
  /** Null: an operator, who watches the venue. */
  person: string | null;
}

export interface Verdict {
  expected: number;
  lost: number;
  twice: number;
  connections: number;
  gaps: number;
  /** What came by replay alone, and what came again and was dropped by its id: what the two would be without either. */
  replayed: number;
  duplicates: number;
  /** Who lacks what or had it twice, the first few. */
  examples: string[];
}

/** What an EventSource waits in silence: it has no probe, and the bridge's heartbeat comes every 15 s. */
const SILENT_MS = 4_000;

const MAX_EXAMPLES = 10;

class Told {
  readonly name: string;
  readonly person: string | null;
  readonly counts = new Map<string, number>();
  gaps = 0;
  replayed = 0;
  reader: { connections(): number; duplicates(): number; close(): void } = { connections: () => 0, duplicates: () => 0, close: () => undefined };

  constructor(name: string, person: string | null) {
    this.name = name;
    this.person = person;
  }

  /** The same name for a fact as the log gives it. */
  note(event: Pick<StreamEvent, "t" | "at" | "d">, isReplayed: boolean): void {
    const what = nameOf(event, this.person);
    if (what === null) return;
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    if (isReplayed) this.replayed++;
  }

  judge(facts: readonly Fact[], examples: string[]): { expected: number; lost: number; twice: number } {
    const wanted = new Map<string, number>();
    for (const { what, person } of facts) if (person === null || this.person === null || person === this.person) wanted.set(what, (wanted.get(what) ?? 0) + 1);
    let [expected, lost, twice] = [0, 0, 0];
    for (const [what, count] of wanted) {
      const got = this.counts.get(what) ?? 0;
      expected += count;
      lost += Math.max(0, count - got);
      twice += Math.max(0, got - count);
      if (got !== count && examples.length < MAX_EXAMPLES) examples.push(`${this.name}: ${what} ${got} times`);
    }
    for (const [what, got] of this.counts) {
      if (wanted.has(what)) continue;
      twice += got;
      if (examples.length < MAX_EXAMPLES) examples.push(`${this.name}: ${what}, which is not in the log`);
    }
    return { expected, lost, twice };
  }
}

const everybody: Told[] = [];
let link: FaultyLink;

function nameOf({ t, at, d }: Pick<StreamEvent, "t" | "at" | "d">, own: string | null): string | null {
  if (t === "alert") return `alert ${(d as { alertId: string }).alertId}`;
  if (t !== "zone.enter" && t !== "zone.exit") return null;
  const { subj, zoneId } = d as { subj: { who: string; personId?: string; tagId?: string }; zoneId: string };
  return `${t} ${at} ${zoneId} ${subj.who === "me" ? own : (subj.personId ?? subj.tagId)}`;
}

/** Resolves when it is live. */
function open({ kind, token, person }: LossClient, port: number): Promise<void> {
  const told = new Told(`${kind} ${everybody.length} of ${person ?? "an operator"}`, person);
  everybody.push(told);
  const channels = person === null ? (["venue", "alerts"] as const) : (["me", "alerts"] as const);
  return kind === "library" ? openLibrary(told, { token, channels, port }) : openEventSource(told, { token, channels, port });
}

interface Door {
  token: string;
  channels: readonly ("venue" | "me" | "alerts")[];
  port: number;
}

function openLibrary(told: Told, { token, channels, port }: Door): Promise<void> {
  return new Promise((resolve, reject) => {
    const client: KonferencoClient = connect({
      url: `ws://127.0.0.1:${port}/events`,
      token,
      channels: channels.map((ch) => ({ ch })),
      WebSocket,
      fetch: null,
      surroundings: { isWatched: () => true, listen: () => () => undefined },
      // Snapshots say how things stand, not what happened.
      onEvent: (event) => event.from === "snapshot" || told.note(event, event.from === "replay"),
      onState: (state) => {
        if (state.kind === "live") resolve();
        if (state.kind === "failed") reject(new Error(`a client has given up: ${state.code}, ${state.message}`));
      },
      onGap: () => void told.gaps++,
    });
    told.reader = { connections: () => client.stats().connections, duplicates: () => client.stats().duplicates, close: () => client.close() };
  });
}

function openEventSource(told: Told, { token, channels, port }: Door): Promise<void> {
  return new Promise((resolve) => {
    const known = new Set<string>();
    let duplicates = 0;
    let isReplaying = false;
    const take = (event: StreamEvent) => {
      if (event.i !== undefined && known.has(event.i)) return void duplicates++;
      if (event.i !== undefined) known.add(event.i);
      told.note(event, isReplaying);
    };
    const source = new EventSourceReader({
      url: `http://127.0.0.1:${port}/events?channels=${channels.join(",")}`,
      token,
      silentMs: SILENT_MS,
      onFrame: (frame) => {
        if (frame.op === "welcome") isReplaying = source.connections > 1;
        else if (frame.op === "caught") isReplaying = false;
        else if (frame.op === "gap") told.gaps++;
        else if (frame.op === "ok") resolve();
        else if (frame.op === "b") frame.ev?.forEach(take);
        else if (frame.op === "ev") take(frame as unknown as StreamEvent);
      },
    });
    told.reader = { connections: () => source.connections, duplicates: () => duplicates, close: () => source.close() };
  });
}

function verdictOn(facts: readonly Fact[]): Verdict {
  const sum: Verdict = { expected: 0, lost: 0, twice: 0, connections: 0, gaps: 0, replayed: 0, duplicates: 0, examples: [] };
  for (const told of everybody) {
    const { expected, lost, twice } = told.judge(facts, sum.examples);
    sum.expected += expected;
    sum.lost += lost;
    sum.twice += twice;
    sum.connections += told.reader.connections();
    sum.gaps += told.gaps;
    sum.replayed += told.replayed;
    sum.duplicates += told.reader.duplicates();
  }
  return sum;
}

answerQuestions({
  /** Resolves when all are live. */
  async connect({ ports, clients }: { ports: number[]; clients: LossClient[] }) {
    const opened = await FaultyLink.open(ports);
    link = opened.link;
    await Promise.all(clients.map((client) => open(client, opened.port)));
  },
  weather: ({ weather }: { weather: Weather }) => void (link.weather = weather),
  cut: () => link.cut(),
  /** Waits until nobody lacks anything, `withinMs` at most, and once more as long as a repetition may take; then counts. */
  async verdict({ facts, withinMs }: { facts: Fact[]; withinMs: number }): Promise<Verdict> {
    const untilMs = performance.now() + withinMs;
    while (verdictOn(facts).lost > 0 && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 500));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return verdictOn(facts);
  },
  close: () => everybody.forEach(({ reader }) => reader.close()),
});
