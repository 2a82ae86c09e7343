import fs from "node:fs";
import { Option, type Command } from "commander";
import { ConfigError, venueFromGeoJson, venueToGeoJson } from "@konferenco/protocol";
import { readJson, venueOf } from "../options.ts";

export interface VenueCommandOptions {
  venue?: string;
  toGeojson?: string;
  fromGeojson?: string;
  out?: string;
}

export function registerVenueCommand(program: Command): void {
  program
    .command("venue")
    .description("a venue map to GeoJSON (QGIS, geojson.io) and back")
    .addOption(new Option("--venue <file>", "venue map (docs/venue-map.md); without it the demo venue").env("KONFERENCO_VENUE"))
    .addOption(new Option("--to-geojson <file>", "write the venue map as GeoJSON; - for the terminal").conflicts("fromGeojson"))
    .option("--from-geojson <file>", "read GeoJSON and write a venue map, to --out or to the terminal")
    .option("--out <file>", "with --from-geojson: the venue map to write")
    .action(venueCommand);
}

function venueCommand(options: VenueCommandOptions): void {
  if (options.toGeojson !== undefined) return write(options.toGeojson, venueToGeoJson(venueOf(options)));
  if (options.fromGeojson === undefined) throw new ConfigError("name --to-geojson FILE or --from-geojson FILE");
  write(options.out ?? "-", venueFromGeoJson(readJson(options.fromGeojson), options.fromGeojson));
}

function write(file: string, json: object): void {
  const text = `${JSON.stringify(json, null, 2)}\n`;
  if (file === "-") process.stdout.write(text);
  else fs.writeFileSync(file, text);
}
