import { render } from "preact";
import { LoginForm } from "../common/login-form.tsx";
import { openDoor, type Door } from "../common/session.ts";
import { Console } from "./console.tsx";
import "../common/base.css";
import "./console.css";

const door = openDoor("console");

function Page({ door: { entry }, door: way }: { door: Door }) {
  const now = entry.value;
  if (now.kind === "in") return <Console key={now.session.token} session={now.session} onLeave={way.leave} />;
  return <LoginForm door={way} title="Operator console" hint="For venue staff. A link with a ticket logs you in by itself." />;
}

render(<Page door={door} />, document.getElementById("page") as HTMLElement);
