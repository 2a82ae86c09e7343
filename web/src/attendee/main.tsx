import { render } from "preact";
import { useState } from "preact/hooks";
import { LoginForm } from "../common/login-form.tsx";
import { openDoor, type Door } from "../common/session.ts";
import { Attendee } from "./attendee.tsx";
import { ReceiptPage, type Receipt } from "./forget-me.tsx";
import "../common/base.css";
import "./attendee.css";

const door = openDoor("attendee");

function Page({ door: { entry }, door: way }: { door: Door }) {
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const now = entry.value;
  if (receipt !== null) return <ReceiptPage receipt={receipt} />;
  const end = (erased: Receipt): void => {
    setReceipt(erased);
    way.leave(null);
  };
  if (now.kind === "in") return <Attendee key={now.session.token} session={now.session} onLeave={way.leave} onForgotten={end} />;
  return <LoginForm door={way} title="My place at the event" hint="The link on your ticket logs you in by itself. The registration desk can give you a new one." />;
}

render(<Page door={door} />, document.getElementById("page") as HTMLElement);
