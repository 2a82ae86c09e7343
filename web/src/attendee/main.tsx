import { render } from "preact";
import { LoginForm } from "../common/login-form.tsx";
import { openDoor, type Door } from "../common/session.ts";
import { Attendee } from "./attendee.tsx";
import "../common/base.css";
import "./attendee.css";

const door = openDoor("attendee");

function Page({ door: { entry }, door: way }: { door: Door }) {
  const now = entry.value;
  if (now.kind === "in") return <Attendee key={now.session.token} session={now.session} onLeave={way.leave} />;
  return <LoginForm door={way} title="My place at the event" hint="The link on your ticket logs you in by itself. The registration desk can give you a new one." />;
}

render(<Page door={door} />, document.getElementById("page") as HTMLElement);
