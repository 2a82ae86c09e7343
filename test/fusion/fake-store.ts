import { StoreUnavailable, type Alert, type GatewayHealth, type Position, type ProximityTransition, type ZoneTransition } from "@konferenco/protocol";
import type { CommitBatch, Store } from "@konferenco/fusion";

/** A store that writes down what it is asked, is away when told so, and may be slow. The real ones have their own suite. */
export interface FakeStore extends Store {
  commits: { batch: CommitBatch; nowMs: number }[];
  dropped: string[];
  /** So many of the next commits fail. */
  failNext: number;
  /** Commits wait until this resolves. */
  gate: Promise<void>;
  kept: Position[];
  zones(): ZoneTransition[];
  pairs(): ProximityTransition[];
  positionsOf(tagId: string): Position[];
  alerts(): Alert[];
  health(): GatewayHealth[];
}

export function fakeStore(): FakeStore {
  const end = { epoch: "e", offset: 0 };
  const store: FakeStore = {
    commits: [],
    dropped: [],
    failNext: 0,
    gate: Promise.resolve(),
    kept: [],
    hasMessage: async () => false,
    async commit(batch, nowMs) {
      await store.gate;
      if (store.failNext > 0) {
        store.failNext--;
        throw new StoreUnavailable("the store is away");
      }
      store.commits.push({ batch, nowMs });
      return { end, duplicateAlerts: 0 };
    },
    async dropTag(tagId) {
      store.dropped.push(tagId);
    },
    positions: async () => store.kept,
    readLog: async () => ({ updates: [], end, gap: null }),
    end: async () => end,
    follow: async () => ({ close: async () => {} }),
    position: async () => null,
    nearby: async () => [],
    occupants: async () => [],
    recentPositions: async () => [],
    gateways: async () => [],
    sweep: async () => 0,
    ping: async () => {},
    close: async () => {},
    zones: () => store.commits.flatMap(({ batch }) => batch.zoneTransitions),
    pairs: () => store.commits.flatMap(({ batch }) => batch.proximityTransitions),
    positionsOf: (tagId) => store.commits.flatMap(({ batch }) => batch.positions).filter((position) => position.tagId === tagId),
    alerts: () => store.commits.flatMap(({ batch }) => batch.alerts),
    health: () => store.commits.flatMap(({ batch }) => batch.gateways),
  };
  return store;
}
