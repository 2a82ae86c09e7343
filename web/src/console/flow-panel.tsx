import type { Session } from "@konferenco/protocol";
import { useEffect, useState } from "preact/hooks";
import { ApiError, callApi, inWords } from "../common/api.ts";
import { noteFlow, rateWord, sparkline, type Flow, type FlowAnswer, type FlowRow } from "./flow.ts";

const ASK_EVERY_MS = 1_000;
const BOX = { width: 120, height: 24 };

/** In plain words; what is new on the server shows under its own name. */
const WORDS: Record<string, string> = {
  arrived: "From the broker",
  refused: "Refused",
  reports: "Gateway reports",
  observations: "Sightings",
  positions: "Positions",
  transitions: "Moves, encounters",
  updates: "Stored",
  messages: "App messages",
  deliveries: "Sent to screens",
  "0": "Alerts",
  "1": "Moves and messages",
  "2": "Positions",
  "3": "Counts and gateways",
};

/** What passes through the system each second, stage by stage and lane by lane. Asks only while it is looked at. */
export function FlowPanel({ session }: { session: Session }) {
  const [flow, setFlow] = useState<Flow>({ stages: [], lanes: [] });
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    let before: FlowAnswer | null = null;
    let isAsking = false;
    const ask = async (): Promise<void> => {
      if (isAsking || document.visibilityState !== "visible") return;
      isAsking = true;
      try {
        const now = await callApi<FlowAnswer>("flow", { token: session.token });
        const last = before;
        if (last !== null) setFlow((known) => noteFlow(known, last, now));
        before = now;
        setFault(null);
      } catch (error) {
        setFault(error instanceof ApiError && error.httpStatus === 404 ? "This server does not count its flow." : inWords(error));
      }
      isAsking = false;
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, [session]);
  return (
    <section class="card flow" aria-labelledby="flow-title" data-testid="flow">
      <div class="card-head">
        <h2 id="flow-title">Message flow</h2>
        <span class="muted small">per second, last minute</span>
      </div>
      {fault !== null && (
        <p class="note warn" role="status">
          {fault}
        </p>
      )}
      {flow.stages.length === 0 && fault === null && <p class="muted">Counting…</p>}
      <Rows title="Through the system" rows={flow.stages} />
      <Rows title="To the screens, by urgency" rows={flow.lanes} />
    </section>
  );
}

function Rows({ title, rows }: { title: string; rows: readonly FlowRow[] }) {
  if (rows.length === 0) return null;
  return (
    <>
      <h3 class="group-name">{title}</h3>
      <ul>
        {rows.map(({ name, perS }) => {
          const line = sparkline(perS, BOX);
          return (
            <li key={name} class="flow-row">
              <span class="flow-name">{WORDS[name] ?? name}</span>
              <svg class="flow-line" viewBox={`0 -2 ${BOX.width} ${BOX.height + 4}`} preserveAspectRatio="none" aria-hidden="true">
                <path class="flow-area" d={line === "" ? "" : `${line}V${BOX.height}H${BOX.width - (perS.length - 1) * (BOX.width / 59)}Z`} />
                <path class="flow-stroke" d={line} />
              </svg>
              <span class="flow-rate" data-testid={`flow-${name}`}>
                {rateWord(perS.at(-1) ?? 0)}
              </span>
            </li>
          );
        })}
      </ul>
    </>
  );
}
