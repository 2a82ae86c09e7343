// The gate before the tests: types, lint, style rules. `npm test` runs it first.
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ensureReady, runBin } from "./ensure.mjs";

const STEPS = [
  { name: "types of the packages", bin: "typescript/bin/tsc", args: ["-b"] },
  { name: "types of the pages", bin: "typescript/bin/tsc", args: ["-p", "web", "--noEmit"] },
  { name: "types of the tests", bin: "typescript/bin/tsc", args: ["-p", "test", "--noEmit"] },
  { name: "lint", bin: "oxlint/bin/oxlint", args: ["--type-aware", "--deny-warnings"] },
];

/** Runs every step and returns the names of those that failed. */
export function runChecks() {
  return STEPS.filter(({ name, bin, args }) => {
    const failed = runBin(bin, args) !== 0;
    process.stderr.write(`${failed ? "FAILED" : "ok"}  ${name}\n`);
    return failed;
  }).map((step) => step.name);
}

if (import.meta.url === pathToFileURL(path.resolve(process.argv[1])).href) {
  ensureReady({ build: false });
  const failed = runChecks();
  // The style rules are a test, so that they run in the suite too.
  if (runBin("vitest/vitest.mjs", ["run", "test/tidy.test.ts", "--reporter=dot"]) !== 0) failed.push("style rules");
  if (failed.length > 0) {
    process.stderr.write(`check failed: ${failed.join(", ")}\n`);
    process.exit(1);
  }
}
