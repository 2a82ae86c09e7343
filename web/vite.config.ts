import { defineConfig } from "vite";

// Pages are built with relative addresses, so that they work under any path a proxy puts them at, and with
// nothing inline, so that a strict content security policy (default-src 'self') holds.
export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // The client is built from its sources, so that the pages need no build of it first.
  resolve: { conditions: ["@konferenco/source", "module", "browser", "import", "default"] },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "console/index.html", "attendee/index.html"],
    },
  },
});
