import { useState } from "preact/hooks";
import { inWords } from "./api.ts";
import { BrandMark } from "./brand.tsx";
import type { Door } from "./session.ts";

/** What stands before a page: the login form, or a word that the link is being checked. */
export function LoginForm({ door, title, hint }: { door: Door; title: string; hint: string }) {
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const entry = door.entry.value;
  if (entry.kind === "checking") {
    return (
      <main class="door" aria-busy="true">
        <p class="muted">Opening…</p>
      </main>
    );
  }
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const field = (name: string): string => (form.elements.namedItem(name) as HTMLInputElement).value;
    setBusy(true);
    setError(null);
    try {
      await door.logIn(field("login"), field("password"));
    } catch (reason) {
      setError(inWords(reason));
      setBusy(false);
    }
  };
  const message = error ?? (entry.kind === "login" ? entry.message : null);
  return (
    <main class="door">
      <div class="door-brand">
        <BrandMark />
        <h1>{title}</h1>
      </div>
      <form class="card" onSubmit={(event) => (event.preventDefault(), void submit(event.currentTarget))}>
        <div class="field">
          <label for="login">Login</label>
          <input class="input" id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required />
        </div>
        <div class="field">
          <label for="password">Password</label>
          <input class="input" id="password" name="password" type="password" autocomplete="current-password" required />
        </div>
        {message !== null && (
          <p class="note bad" role="alert">
            {message}
          </p>
        )}
        <button class="button primary" disabled={isBusy}>
          {isBusy ? "Logging in…" : "Log in"}
        </button>
      </form>
      <p class="muted small">{hint}</p>
    </main>
  );
}
