/** The value of a JSON file's text. Notepad and PowerShell put a byte order mark before it. Throws `SyntaxError`. */
export function jsonOfFile(text: string): unknown {
  return JSON.parse(text.replace(/^\ufeff/, ""));
}
