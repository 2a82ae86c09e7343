import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");

describe("docker-compose.yml", () => {
  const result = spawnSync("docker-compose", ["config"], { cwd: root, encoding: "utf8" });

  it("is accepted by docker-compose", () => {
    expect(result.error?.message ?? "", "docker-compose is needed: apt-get install docker-compose").toBe("");
    expect(result.stderr).not.toMatch(/error/i);
    expect(result.status).toBe(0);
  });

  it("has broker, fusion, bridge, Redis and simulator, each with a health check", () => {
    const services = ["redis", "broker", "fusion", "bridge", "simulator"];
    for (const service of services) {
      const text = new RegExp(`^  ${service}:\\n((?:    .*\\n|      .*\\n)+)`, "m").exec(result.stdout)?.[1] ?? "";
      expect(text, service).toContain("healthcheck:");
    }
  });
});
