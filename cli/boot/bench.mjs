// `npm run bench -- [NAME …] [--json FILE]`
import path from "node:path";
import { ensureReady, root } from "./ensure.mjs";

ensureReady();
await import(path.join(root, "bench/dist/run.js"));
