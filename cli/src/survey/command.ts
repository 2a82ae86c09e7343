import fs from "node:fs";
import type { Command } from "commander";
import { buildWifiModel, formatWifiModel, parseWifiSurvey, type WifiFigures, type WifiReport } from "@konferenco/fusion";
import { ConfigError } from "@konferenco/protocol";
import { parsePositive } from "../options.ts";
import { formatComparison, measureSimulatedFloors, measureUjiIndoorLoc } from "./measure.ts";

export function registerSurveyCommand(program: Command): void {
  const survey = program.command("survey").description("Wi-Fi surveys: build a model, measure the methods (docs/wifi-survey.md)");
  survey
    .command("build")
    .description("read survey.csv, try radio map and forest on parts left out, write the model of the better one")
    .requiredOption("--survey <file>", "survey.csv: xM,yM,floor,bssid,rssiDbm,count")
    .option("--out <file>", "the model to write; without it only the report is printed")
    .action(buildCommand);
  survey
    .command("measure")
    .description("compare the methods where the truth is known")
    .option("--simulated <floors>", "on so many simulated office floors", parsePositive)
    .option("--ujiindoorloc <folder>", "on UJIIndoorLoc: trainingData.csv.gz and validationData.csv.gz")
    .action(measureCommand);
}

function buildCommand(options: { survey: string; out?: string }): void {
  let text: string;
  try {
    text = fs.readFileSync(options.survey, "utf8");
  } catch (error) {
    throw new ConfigError(`the survey ${options.survey} cannot be read: ${(error as Error).message}`);
  }
  const survey = parseWifiSurvey(text, options.survey);
  if (survey === null) throw new ConfigError(`${options.survey} holds no level that a radio can have heard`);
  const model = buildWifiModel(survey);
  if (options.out !== undefined) fs.writeFileSync(options.out, formatWifiModel(model));
  if (model.report !== null) process.stdout.write(`${formatReport(model.report)}\n`);
}

function measureCommand(options: { simulated?: number; ujiindoorloc?: string }): void {
  if (options.simulated === undefined && options.ujiindoorloc === undefined) throw new ConfigError("name --simulated FLOORS or --ujiindoorloc FOLDER");
  if (options.simulated !== undefined) process.stdout.write(`${formatComparison(measureSimulatedFloors(options.simulated))}\n`);
  if (options.ujiindoorloc !== undefined) process.stdout.write(`${formatComparison(measureUjiIndoorLoc(options.ujiindoorloc))}\n`);
}

function formatReport(report: WifiReport): string {
  const head = `${report.points} points, ${report.scans} scans, ${report.accessPoints} access points, ${report.floors} floor(s), ${report.spacingM.toFixed(1)} m between points`;
  const rows = report.figures.map((figures) => `${nameOf(figures).padEnd(32)} ${metres(figures.meanM)} ${metres(figures.medianM)} ${metres(figures.p95M)} ${(100 * figures.floorShare).toFixed(1).padStart(8)}`);
  const table = rows.length === 0 ? [] : ["points left out, with all within", `${`  ${report.blockM.toFixed(1)} m of their square`.padEnd(32)} mean m    p50 m    p95 m  floor %`, ...rows];
  return [head, ...table, `chosen: ${report.chosen} (${report.why})`].join("\n");
}

function nameOf({ method, evidenceShare }: WifiFigures): string {
  return evidenceShare === null ? method : `${method}, evidence ${evidenceShare}`;
}

function metres(value: number): string {
  return value.toFixed(2).padStart(8);
}
