import { browserTabs, connect, renewingSession, type ConnectionState, type ConnectOptions, type KonferencoClient, type SubscribeOptions } from "@konferenco/client";
import type { Session } from "@konferenco/protocol";
import { signal, type Signal } from "@preact/signals";
import { serverAddress } from "./api.ts";
import { keepRenewed } from "./session.ts";

export interface LiveLink {
  client: KonferencoClient;
  state: Signal<ConnectionState>;
  close(): void;
}

type Handlers = Pick<ConnectOptions, "onEvent" | "onSnapshot" | "onForget" | "onGap">;

/** The page's connection, shared by all tabs in which the same person sees the same page. `onEnded` is told when only a new login helps. */
export function openLiveLink(session: Session, channels: SubscribeOptions[], handlers: Handlers, onEnded: (message: string) => void): LiveLink {
  const state = signal<ConnectionState>({ kind: "connecting", staleSinceMs: null });
  const address = serverAddress("events");
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const renewing = renewingSession({ url: address.href, session, onRenewed: (fresh) => keepRenewed(session, fresh) });
  const client = connect({
    url: address.href,
    token: () => renewing.token(),
    tabs: browserTabs([session.eventId, session.role, subjectOf(session), ...channels.map(({ ch }) => ch)].join(" ")),
    channels,
    ...handlers,
    name: ["konferenco-web", "0.1.0"],
    onState(next) {
      state.value = next;
      if (next.kind === "failed" && (next.code === "token_expired" || next.code === "unauthorized" || next.code === "permissions_changed")) onEnded(next.message);
    },
  });
  return {
    client,
    state,
    close() {
      renewing.close();
      client.close();
    },
  };
}

/** Who the token is for, a person or a login: tabs of different ones must not share what they see. */
function subjectOf({ token }: Session): string {
  try {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"))) as { sub?: string };
    return claims.sub ?? token;
  } catch {
    return token;
  }
}
