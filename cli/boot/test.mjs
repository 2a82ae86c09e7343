// `npm test`: finds or installs the real Redis, Chromium and MQTT clients, runs the checks, then the whole
// suite, and closes with a line that counts what the runner reported.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ensureReady, fail, root, run, runBin } from "./ensure.mjs";
import { runChecks } from "./check.mjs";

/** Programs that the suite runs for real, and Debian's package for each. No broker: ours is the one under test. */
const TOOLS = [
  { anyOf: ["redis-server"], debian: "redis-server" },
  { anyOf: ["chromium", "chromium-browser", "google-chrome"], debian: "chromium" },
  { anyOf: ["mosquitto_pub"], debian: "mosquitto-clients" },
  { anyOf: ["docker-compose"], debian: "docker-compose" },
];

const args = process.argv.slice(2);
const mayInstall = args.includes("--install") || (process.env.CI === "true" && process.getuid?.() === 0);
const filters = args.filter((arg) => arg !== "--install");

ensureReady();
ensureTools();
const failedChecks = runChecks();
if (failedChecks.length > 0) {
  close({ passed: 0, failed: failedChecks.length, why: `these checks failed: ${failedChecks.join(", ")}` });
}
const reportFile = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "konferenco-test-")), "report.json");
const code = runBin("vitest/vitest.mjs", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`, ...filters]);
close(readReport(reportFile, code));

function ensureTools() {
  const missing = TOOLS.filter((tool) => !tool.anyOf.some(onPath));
  if (missing.length === 0) return;
  const packages = missing.map((tool) => tool.debian);
  const remedy = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (!mayInstall) {
    fail(`The suite runs against the real programs; missing here: ${packages.join(", ")}.\nRun once: sudo sh -c '${remedy}'   (or, as root: npm test -- --install)`);
  }
  process.stderr.write(`Installing ${packages.join(", ")} from the distribution …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  if (run("sh", ["-c", `(${remedy}) >/dev/null`], { env }) !== 0) fail(`This failed: ${remedy}`);
}

function onPath(program) {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

function readReport(file, code) {
  let report;
  try {
    report = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return { passed: 0, failed: 1, why: "the test runner wrote no report" };
  }
  // A file that cannot be loaded holds no failed test of its own; it counts as one.
  const unloaded = report.testResults.filter((suite) => suite.status === "failed" && suite.assertionResults.length === 0).length;
  const failed = report.numFailedTests + unloaded;
  const skipped = report.numPendingTests + report.numTodoTests;
  if (skipped > 0 && filters.length === 0) return { passed: report.numPassedTests, failed: failed + skipped, why: `${skipped} tests did not run` };
  if (code !== 0 && failed === 0) return { passed: report.numPassedTests, failed: 1, why: "the runner reported an error outside of a test" };
  return { passed: report.numPassedTests, failed, why: "" };
}

function close({ passed, failed, why }) {
  const line = `${passed} passed, ${failed} failed`;
  fs.mkdirSync(path.join(root, "test-results"), { recursive: true });
  fs.writeFileSync(path.join(root, "test-results/summary.txt"), `${line}\n`);
  if (why !== "") process.stderr.write(`${why}\n`);
  process.stdout.write(`${line}\n`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
