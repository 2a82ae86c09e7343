/** One record of a CSV text: its cells and the line on which it begins. */
export interface CsvRow {
  line: number;
  cells: string[];
}

/**
 * RFC 4180: commas, CRLF or LF, quotes around cells that hold either, quotes doubled inside quotes.
 * Never throws: an unfinished quote ends with the text and is told by `unclosed`, so that it costs only its record.
 */
export function parseCsv(text: string): { rows: CsvRow[]; unclosed: number | null } {
  const rows: CsvRow[] = [];
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; // byte order mark of spreadsheets
  let line = 1;
  let unclosed: number | null = null;
  while (at < text.length) {
    const row: CsvRow = { line, cells: [] };
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        at++;
        for (;;) {
          const end = text.indexOf('"', at);
          const part = text.slice(at, end === -1 ? text.length : end);
          line += part.split("\n").length - 1;
          cell += part;
          if (end === -1) {
            unclosed = row.line;
            at = text.length;
            break;
          }
          at = end + 1;
          if (text[at] !== '"') break;
          cell += '"';
          at++;
        }
      }
      const rest = /[^,\r\n]*/y;
      rest.lastIndex = at;
      cell += rest.exec(text)?.[0] ?? "";
      at = rest.lastIndex;
      row.cells.push(cell);
      if (text[at] !== ",") break;
      at++;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    line++;
    if (row.cells.length > 1 || row.cells[0] !== "") rows.push(row);
  }
  return { rows, unclosed };
}
