// `npm start`, `npm run simulate` and the others: a fresh clone becomes a running command.
import { ensureReady, root } from "./ensure.mjs";

ensureReady();
// npm runs scripts in the project's root; files on the command line are meant where the user stands.
if (process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);
await import(new URL("../dist/main.js", import.meta.url).href).catch((error) => {
  process.stderr.write(`konferenco could not be started from ${root}: ${error.stack}\n`);
  process.exit(1);
});
