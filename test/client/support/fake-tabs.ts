import type { Candidacy, Candidate, Tabs } from "@konferenco/client";

/** A browser with several tabs of the test's making: a lock, a channel that delivers in order, and tabs that can freeze. */
export class FakeBrowser {
  readonly #tabs = new Set<FakeTab>();
  readonly #queue: FakeTab[] = [];
  holder: FakeTab | null = null;
  #lastName = 0;

  open(): FakeTab {
    const tab: FakeTab = new FakeTab(this, `tab-${++this.#lastName}`);
    this.#tabs.add(tab);
    return tab;
  }

  post(from: FakeTab, message: unknown): void {
    const copy = structuredClone(message);
    for (const tab of this.#tabs) if (tab !== from) tab.deliver(() => tab.onMessage?.(copy));
  }

  queue(tab: FakeTab): void {
    this.#queue.push(tab);
    this.grant();
  }

  grant(): void {
    if (this.holder !== null) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.holder = next;
    next.deliver(() => next.candidate?.won());
  }

  leave(tab: FakeTab): void {
    const index = this.#queue.indexOf(tab);
    if (index >= 0) this.#queue.splice(index, 1);
    if (this.holder === tab) this.holder = null;
    this.grant();
  }

  steal(tab: FakeTab): void {
    const before = this.holder;
    const index = this.#queue.indexOf(tab);
    if (index >= 0) this.#queue.splice(index, 1);
    this.holder = tab;
    if (before !== null) this.#queue.push(before);
    before?.deliver(() => before.candidate?.lost());
    tab.deliver(() => tab.candidate?.won());
  }

  remove(tab: FakeTab): void {
    this.#tabs.delete(tab);
  }
}

export class FakeTab implements Tabs {
  readonly #browser: FakeBrowser;
  readonly #name: string;
  #names = 0;
  #frozen: (() => void)[] | null = null;
  onMessage: ((message: unknown) => void) | null = null;
  candidate: Candidate | null = null;

  constructor(browser: FakeBrowser, name: string) {
    this.#browser = browser;
    this.#name = name;
  }

  newName(): string {
    return `${this.#name}.${++this.#names}`;
  }

  stand(candidate: Candidate): Candidacy {
    this.candidate = candidate;
    this.#browser.queue(this);
    return { seize: () => this.#browser.steal(this), withdraw: () => this.#browser.leave(this) };
  }

  post(message: unknown): void {
    this.#browser.post(this, message);
  }

  listen(onMessage: (message: unknown) => void): void {
    this.onMessage = onMessage;
  }

  close(): void {
    this.#browser.remove(this);
  }

  /** Nothing of this tab runs until it thaws; what it is sent waits. */
  freeze(): void {
    this.#frozen = [];
  }

  thaw(): void {
    const waiting = this.#frozen ?? [];
    this.#frozen = null;
    for (const run of waiting) run();
  }

  /** As a crash: no goodbye, the lock is free. */
  crash(): void {
    this.#browser.remove(this);
    this.#browser.leave(this);
    this.#frozen = [];
  }

  deliver(run: () => void): void {
    queueMicrotask(() => {
      if (this.#frozen === null) run();
      else this.#frozen.push(run);
    });
  }
}
