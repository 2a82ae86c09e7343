import fs from "node:fs";
import { Option, type Command } from "commander";
import { MIN_SURVEY_SPOTS, parseWifiModel, type FusionStats, type SurveyPoint, type WifiModel } from "@konferenco/fusion";
import { ConfigError, type VenueMap } from "@konferenco/protocol";
import { loadSurvey } from "@konferenco/simulators";

/** Options of the commands that run fusion. */
export interface SurveyOptions {
  survey?: string;
  wifiSurvey?: string;
}

/** What somebody walked the venue for, as fusion takes it; absent where nobody did. */
export interface Surveys {
  survey?: readonly SurveyPoint[];
  wifiSurvey?: WifiModel;
}

export function addSurveyOptions(command: Command): Command {
  return command
    .addOption(new Option("--survey <file>", "levels of a tag heard at known spots: survey.csv (docs/survey.md)").env("KONFERENCO_SURVEY"))
    .addOption(new Option("--wifi-survey <file>", 'Wi-Fi of known spots: a model of "konferenco survey build" (docs/wifi-survey.md)').env("KONFERENCO_WIFI_SURVEY"));
}

/** Reads the files that were named. Throws `ConfigError` naming file, line and remedy. */
export function readSurveys(options: SurveyOptions, venue: VenueMap): Surveys {
  return {
    ...(options.survey === undefined ? {} : { survey: readSurvey(options.survey, venue) }),
    ...(options.wifiSurvey === undefined ? {} : { wifiSurvey: readWifiSurvey(options.wifiSurvey, venue) }),
  };
}

function readSurvey(file: string, venue: VenueMap): SurveyPoint[] {
  requireReadable(file);
  const survey = loadSurvey(file, venue);
  if (survey === null) throw new ConfigError(`${file} is a survey of access points: make its model with "konferenco survey build --survey ${file} --out model.json" and name that with --wifi-survey`);
  const spots = new Set(survey.map(({ xM, yM, floor }) => `${floor}/${xM}/${yM}`)).size;
  if (spots < MIN_SURVEY_SPOTS) throw new ConfigError(`${file} holds ${spots} spot(s), ${MIN_SURVEY_SPOTS} are the least: survey every 2 to 3 m where people go`);
  return survey;
}

function readWifiSurvey(file: string, venue: VenueMap): WifiModel {
  const text = requireReadable(file);
  if (/^\s*[^{\s]/.test(text)) throw new ConfigError(`${file} is no Wi-Fi model but perhaps a survey: "konferenco survey build --survey ${file} --out model.json" makes a model of it`);
  const model = parseWifiModel(text, file);
  const floors = new Set(venue.floors.map(({ floor }) => floor));
  const strange = model.survey.points.find(({ floor }) => !floors.has(floor));
  if (strange !== undefined) throw new ConfigError(`${file} was surveyed on floor ${strange.floor}, which is not on the venue map: it has ${[...floors].join(", ")}`);
  return model;
}

function requireReadable(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`the survey ${file} cannot be read: ${(error as Error).message}`);
  }
}

/** What fusion makes of the surveys, in a sentence each. */
export function surveyWords({ survey, wifiSurvey }: Surveys, calibration: FusionStats["calibration"]): string[] {
  return [
    ...(survey === undefined ? [] : [radioMapWords(calibration)]),
    ...(wifiSurvey === undefined ? [] : [`Wi-Fi: ${wifiSurvey.survey.points.length} points, ${wifiSurvey.survey.bssids.length} access points, by ${wifiSurvey.settings.method}`]),
  ];
}

function radioMapWords(calibration: FusionStats["calibration"]): string {
  if (calibration === null) return "not used: the venue map draws no floor to place anybody on";
  if (calibration.basis !== "survey") return `not used: it has fewer than ${MIN_SURVEY_SPOTS} spots that are half a metre apart`;
  return `${calibration.surveySpots} spots; levels at spots left out are foretold within ${(calibration.residualDb ?? 0).toFixed(1)} dB`;
}
