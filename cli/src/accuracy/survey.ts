import fs from "node:fs";
import { ConfigError, type GatewayId } from "@konferenco/protocol";

/** One row of a survey: what was heard of one gateway at one spot, so many times. */
export interface SurveyLevel {
  xM: number;
  yM: number;
  floor: number;
  gatewayId: GatewayId;
  rssiDbm: number;
  count: number;
}

const COLUMNS = ["xM", "yM", "floor", "gatewayId", "rssiDbm", "count"] as const;

/** Reads survey.csv for the reference method that needs one. Null when it is of access points, which no gateway hears. */
export function readSurveyLevels(file: string): SurveyLevel[] | null {
  const [header = "", ...lines] = fs.readFileSync(file, "utf8").split(/\r?\n/);
  const names = header.replace(/^\ufeff/, "").split(",").map((name) => name.trim());
  if (!names.includes("gatewayId")) return null;
  const at = Object.fromEntries(COLUMNS.map((column) => [column, names.indexOf(column)])) as Record<(typeof COLUMNS)[number], number>;
  const missing = COLUMNS.filter((column) => at[column] === -1 && column !== "count");
  if (missing.length > 0) throw new ConfigError(`${file} lacks the column ${missing.join(", ")}: its first line must name ${COLUMNS.join(",")}`);
  return lines.flatMap((line) => {
    if (line === "") return [];
    const cells = line.split(",");
    const number = (column: (typeof COLUMNS)[number]) => Number(cells[at[column]]);
    return [{ xM: number("xM"), yM: number("yM"), floor: number("floor"), gatewayId: (cells[at.gatewayId] ?? "").trim(), rssiDbm: number("rssiDbm"), count: at.count === -1 ? 1 : number("count") }];
  });
}
