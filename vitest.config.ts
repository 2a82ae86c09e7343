import { defineConfig } from "vitest/config";

// Tests run on the sources: packages resolve through the export condition "@konferenco/source", no build first.
const conditions = ["@konferenco/source", "module", "node"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/dice.ts", "test/support/patience.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
    maxWorkers: 2,
  },
});
