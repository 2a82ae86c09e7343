import fs from "node:fs";
import path from "node:path";
import { chromium, type Browser } from "playwright-core";

/** Debian's name first; the others are Ubuntu's and Google's. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

/** The Chromium on PATH. There is no test of a page without one, so its absence is an error that names the remedy. */
export function chromiumPath(searchPath = process.env["PATH"] ?? ""): string {
  const candidates = PROGRAMS.flatMap((program) => searchPath.split(path.delimiter).map((folder) => path.join(folder, program)));
  const found = candidates.find(isProgram);
  if (found === undefined) throw new Error("no Chromium on PATH; run once: apt-get install chromium");
  return found;
}

/** A browser with a profile of its own that talks to nobody but the pages it is given. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
