import { Option, type Command } from "commander";
import { ConfigError } from "@konferenco/protocol";
import { gatewayCommand } from "@konferenco/gateway-agent";
import { untilStopped } from "../closers.ts";
import { openSite, requireSite } from "../site.ts";
import { printPassword, writeBrokerCredentials } from "./credentials.ts";
import { addEventOptions, addHealthOption, addListenOptions, parsePort, venueOf, type EventOptions, type HealthOption } from "../options.ts";
import { addSurveyOptions } from "../survey/read-surveys.ts";
import { DEMO_PERSON_ID } from "../up/demo.ts";
import { runBridgeProcess, type BridgeProcessOptions } from "./bridge-process.ts";
import { runBrokerProcess, type BrokerProcessOptions } from "./broker-process.ts";
import { runFusionProcess, type FusionProcessOptions } from "./fusion-process.ts";

/** The services as processes of their own, for docker-compose and real deployments. */
export function registerProcessCommands(program: Command): void {
  addEventOptions(program.command("init"))
    .description("make the passwords and keys of an installation, once, before its processes start")
    .option("--show", "print the logins")
    .option("--credentials <file>", "write the broker's logins with hashes instead of passwords, for a broker on another machine")
    .action(async (options: EventOptions & { show?: true; credentials?: string }) => {
      const site = openSite({ folder: options.data, eventId: options.event, venue: venueOf(options), demoPersonId: options.venue === undefined ? DEMO_PERSON_ID : null });
      process.stdout.write(`${options.data}/site.json is ready for event ${site.eventId}\n`);
      if (options.credentials !== undefined) await writeBrokerCredentials(options.credentials, site, venueOf(options));
      if (options.show) for (const { login, password, role } of site.logins) process.stdout.write(`${role}: login ${login}, password ${password}\n`);
    });

  program
    .command("password")
    .description("a new gateway password and its hash for a broker's credentials file; or the hash of one that stands on the standard input")
    .option("--stdin", "read the password there; never as an argument, where other users of the machine see it")
    .action(printPassword);

  addHealthOption(addListenOptions(addEventOptions(program.command("broker")), "mqtt"))
    .description("the MQTT broker alone")
    .addOption(new Option("--credentials <file>", "who may log in, by hashes (docs/wire-protocol.md); without it the logins of site.json").env("KONFERENCO_CREDENTIALS"))
    .action((options: BrokerProcessOptions) => runBrokerProcess(options));

  addSurveyOptions(addHealthOption(addEventOptions(program.command("fusion"), { broker: true, store: true })))
    .description("fusion alone: reads a broker, writes a store")
    .option("--tag-keys <file>", "keys of tags that change their names (konferenco tag-keys)")
    .action((options: FusionProcessOptions) => runFusionProcess(options, requireSite(options.data)));

  addListenOptions(addEventOptions(program.command("bridge"), { broker: true, store: true }), "http")
    .description("the bridge alone: pages, REST and WebSocket on a store that fusion writes")
    .action((options: BridgeProcessOptions) => runBridgeProcess(options, requireSite(options.data)));

  program
    .command("gateway")
    .description("the gateway agent, as on a Raspberry Pi (see docs/deploy-a-gateway.md)")
    .allowUnknownOption()
    .argument("[arguments...]", "passed on to the agent; --help shows its own")
    .helpOption(false)
    .action(async (args: string[]) => {
      process.exitCode = await gatewayCommand(args, {
        env: process.env,
        out: (line) => process.stdout.write(`${line}\n`),
        complain: (line) => process.stderr.write(`${line}\n`),
        untilAskedToEnd: () => untilStopped(null),
      });
      // noble's adapter poll and a hanging nmcli must not keep a finished process alive.
      process.exit();
    });

  program
    .command("health")
    .description("ask a process on this machine how it is; exit code 0 when well")
    .requiredOption("--port <port>", "its health or HTTP port", parsePort)
    .action(async ({ port }: { port: number } & HealthOption) => {
      const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(4_000) }).catch((error: Error) => {
        throw new ConfigError(`nothing answers on port ${port}: ${error.message}`);
      });
      process.stdout.write(await response.text());
      if (!response.ok) process.exitCode = 1;
    });
}
