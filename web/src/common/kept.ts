import { signal, type ReadonlySignal } from "@preact/signals";

/** A value that this browser keeps (localStorage) and all its tabs show alike. Without storage it is the tab's own. */
export interface Kept<T> {
  value: ReadonlySignal<T>;
  change: (to: T) => void;
}

export function keep<T>(key: string, fallback: T): Kept<T> {
  const value = signal<T>(read(key, fallback));
  window.addEventListener("storage", (event) => {
    if (event.key === key) value.value = read(key, fallback);
  });
  return {
    value,
    change(to) {
      value.value = to;
      try {
        localStorage.setItem(key, JSON.stringify(to));
      } catch {
        // Full or forbidden: then it is for this tab alone.
      }
    },
  };
}

function read<T>(key: string, fallback: T): T {
  try {
    return (JSON.parse(localStorage.getItem(key) ?? "null") as T | null) ?? fallback;
  } catch {
    return fallback;
  }
}
