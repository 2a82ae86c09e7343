import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

const fixtures = path.resolve(import.meta.dirname, "../fixtures/recordings");
export const FLAT = path.join(fixtures, "kolakowski-flat/robot");
export const HALL = path.join(fixtures, "danis-hall/straight_04");

/** A copy of a recording with some files changed; null removes one. Gone after the test. */
export function changedRecording(dir: string, change: Record<string, ((text: string) => string) | null>): string {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-recording-"));
  onTestFinished(() => fs.rmSync(copy, { recursive: true }));
  fs.cpSync(dir, copy, { recursive: true });
  for (const [file, edit] of Object.entries(change)) {
    const name = path.join(copy, file);
    if (edit === null) fs.rmSync(name);
    else fs.writeFileSync(name, edit(fs.readFileSync(name, "utf8")));
  }
  return copy;
}

/** Edits the rows of a CSV file, its header kept. */
export function editRows(edit: (rows: string[]) => string[]): (text: string) => string {
  return (text) => {
    const [header, ...rows] = text.trimEnd().split("\n") as [string, ...string[]];
    return [header, ...edit(rows)].join("\n");
  };
}

export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-accuracy-test-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}
