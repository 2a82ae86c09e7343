/** A stream without a blank line for so long is none of ours: two frames and their fields. */
const MAX_PENDING_CHARS = 160 * 1024;

/** Cuts a stream of text into the data of its messages (WHATWG HTML 9.2.6), whatever the pieces in which it comes. */
export class SseReader {
  #pending = "";

  /** Of the messages that are complete now; null: this is no event stream. Comments (`: hb`) are no messages. */
  read(text: string): string[] | null {
    const blocks = (this.#pending + text).replaceAll("\r\n", "\n").split("\n\n");
    this.#pending = blocks.pop() ?? "";
    if (this.#pending.length > MAX_PENDING_CHARS) return null;
    return blocks.flatMap((block) => dataOf(block) ?? []);
  }
}

function dataOf(block: string): string | null {
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w+): ?([^]*)$/.exec(line) ?? [];
    if (field === "data") data.push(value ?? "");
  }
  return data.length === 0 ? null : data.join("\n");
}
