import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { build } from "vite";

const web = path.resolve(import.meta.dirname, "../../../web");

/** The pages as they are shipped, built from the sources into a folder of their own (about 1 s), so that no stale build is tested. */
export async function buildPages(): Promise<{ webRoot: string; remove(): void }> {
  const webRoot = fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-pages-"));
  await build({ configFile: path.join(web, "vite.config.ts"), root: web, logLevel: "error", build: { outDir: webRoot, emptyOutDir: true } });
  return { webRoot, remove: () => fs.rmSync(webRoot, { recursive: true, force: true }) };
}
