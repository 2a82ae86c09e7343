import fs from "node:fs";
import path from "node:path";
import { RETENTION_MS } from "@konferenco/protocol";
import { expect, it } from "vitest";

const UNITS_MS = { min: 60_000, h: 3_600_000 };

it("what is kept is kept for as long as docs/privacy.md says", () => {
  const page = fs.readFileSync(path.resolve(import.meta.dirname, "../../docs/privacy.md"), "utf8");
  const table = /\| purpose \| kept \| where \|\n.*\n((?:\|.*\n)+)/.exec(page)?.[1] ?? "";
  const told = table.trim().split("\n").map((row) => row.split("|").map((cell) => cell.trim()));
  expect(Object.fromEntries(told.map(([, purpose, kept]) => [purpose, Number.parseInt(kept!, 10) * UNITS_MS[kept!.split(" ")[1] as "min" | "h"]]))).toEqual(RETENTION_MS);
});
