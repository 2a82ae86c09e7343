/** One JSON line per change of state, on stderr: stdout belongs to what the command was asked for. */
export function logLine(event: object): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), ...event })}\n`);
}
