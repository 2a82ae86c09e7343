#!/usr/bin/env node
import { Command } from "commander";
import { ConfigError, StoreUnavailable } from "@konferenco/protocol";
import { registerAccuracyCommand } from "./accuracy/command.ts";
import { registerAttacksCommand } from "./attacks/command.ts";
import { registerProcessCommands } from "./processes/commands.ts";
import { registerReplayCommand } from "./replay/command.ts";
import { registerSimulateCommand } from "./simulate/command.ts";
import { registerSurveyCommand } from "./survey/command.ts";
import { registerTagKeysCommand } from "./tag-keys/command.ts";
import { registerUpCommand } from "./up/command.ts";
import { registerVenueCommand } from "./venue/command.ts";

const program = new Command("konferenco")
  .description("From radio to zones to people, privately: proximity for event venues.")
  .showHelpAfterError("(--help shows the options)")
  .configureHelp({ showGlobalOptions: true })
  // What cannot be used on the command line is a setting like another: 1 is left to bugs.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

registerUpCommand(program);
registerProcessCommands(program);
registerSimulateCommand(program);
registerReplayCommand(program);
registerAccuracyCommand(program);
registerAttacksCommand(program);
registerSurveyCommand(program);
registerVenueCommand(program);
registerTagKeysCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  // What a user can mend is one line; a bug shows where it is.
  const code = error instanceof ConfigError ? 2 : error instanceof StoreUnavailable ? 3 : 1;
  process.stderr.write(`konferenco: ${code === 1 ? ((error as Error).stack ?? String(error)) : (error as Error).message}\n`);
  process.exitCode = code;
  // Something may still be listening after a failed start.
  process.exit();
}
