/** The cells of one line of a CSV file, in quotes or not; no cell of ours holds a comma. A byte order mark goes. */
export function cellsOf(line: string): string[] {
  return line
    .replace(/^\ufeff/, "")
    .split(",")
    .map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").trim());
}
