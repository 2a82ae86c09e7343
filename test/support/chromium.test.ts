import { expect, it } from "vitest";
import { chromiumPath } from "./chromium.ts";

it("without a Chromium the error is one line that names the remedy", () => {
  expect(() => chromiumPath("/nowhere:/nowhere/else")).toThrow(/^no Chromium on PATH; run once: apt-get install chromium$/);
});
