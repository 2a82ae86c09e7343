import { connect, type DeliveredEvent, type KonferencoClient } from "@konferenco/client";
import { WebSocket } from "ws";
import { answerQuestions } from "./child.ts";
import { FaultyLink, type Weather } from "./faulty-link.ts";

// Clients as pages have them, with the client library, behind a network with faults; and the book of what each was told.

/** A logged fact that some clients must be told of, exactly once. `person` null: everybody. */
export interface Fact {
  what: string;
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
}

interface Told {
  client: KonferencoClient;
  /** Null: sees everybody. */
  person: string | null;
  counts: Map<string, number>;
  gaps: number;
  replayed: number;
}

const everybody: Told[] = [];
let link: FaultyLink;

/** The same name for a fact as the log gives it. Snapshots say how things stand, not what happened. */
function note(told: Told, event: DeliveredEvent): void {
  if (event.from === "snapshot") return;
  const what = nameOf(event, told.person);
  if (what === null) return;
  told.counts.set(what, (told.counts.get(what) ?? 0) + 1);
  if (event.from === "replay") told.replayed++;
}

function nameOf(event: DeliveredEvent, own: string | null): string | null {
  if (event.t === "alert") return `alert ${event.d.alertId}`;
  if (event.t !== "zone.enter" && event.t !== "zone.exit") return null;
  const { subj, zoneId } = event.d;
  return `${event.t} ${event.at} ${zoneId} ${subj.who === "me" ? own : subj.who === "person" ? subj.personId : subj.tagId}`;
}

function judge(told: Told, facts: readonly Fact[]): { expected: number; lost: number; twice: number } {
  const wanted = new Map<string, number>();
  for (const { what, person } of facts) if (person === null || told.person === null || person === told.person) wanted.set(what, (wanted.get(what) ?? 0) + 1);
  let expected = 0;
  let lost = 0;
  let twice = 0;
  for (const [what, count] of wanted) {
    const got = told.counts.get(what) ?? 0;
    expected += count;
    lost += Math.max(0, count - got);
    twice += Math.max(0, got - count);
  }
  for (const [what, got] of told.counts) if (!wanted.has(what)) twice += got;
  return { expected, lost, twice };
}

answerQuestions({
  /** One client per token; `person` null: an operator, who watches the venue. Resolves when all are live. */
  async connect({ ports, clients }: { ports: number[]; clients: { token: string; person: string | null }[] }) {
    const opened = await FaultyLink.open(ports);
    link = opened.link;
    await Promise.all(
      clients.map(
        ({ token, person }) =>
          new Promise<void>((resolve) => {
            const told: Omit<Told, "client"> = { person, counts: new Map(), gaps: 0, replayed: 0 };
            const client = connect({
              url: `ws://127.0.0.1:${opened.port}/events`,
              token,
              channels: person === null ? [{ ch: "venue" }, { ch: "alerts" }] : [{ ch: "me" }, { ch: "alerts" }],
              WebSocket,
              fetch: null,
              surroundings: { isWatched: () => true, listen: () => () => undefined },
              onEvent: (event) => note(told as Told, event),
              onState: ({ kind }) => kind === "live" && resolve(),
              onGap: () => void told.gaps++,
            });
            everybody.push(Object.assign(told, { client }));
          }),
      ),
    );
  },
  weather: ({ weather }: { weather: Weather }) => void (link.weather = weather),
  cut: () => link.cut(),
  /** Waits until nobody lacks anything, `withinMs` at most; then counts. */
  async verdict({ facts, withinMs }: { facts: Fact[]; withinMs: number }): Promise<Verdict> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const sum: Verdict = { expected: 0, lost: 0, twice: 0, connections: 0, gaps: 0, replayed: 0, duplicates: 0 };
      for (const told of everybody) {
        const { expected, lost, twice } = judge(told, facts);
        sum.expected += expected;
        sum.lost += lost;
        sum.twice += twice;
        sum.connections += told.client.stats().connections;
        sum.gaps += told.gaps;
        sum.replayed += told.replayed;
        sum.duplicates += told.client.stats().duplicates;
      }
      if (sum.lost === 0 || performance.now() > untilMs) return sum;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  },
  close: () => everybody.forEach(({ client }) => client.close()),
});
