import type { z } from "zod";
import { accepted, refuse, type Parsed } from "./errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

// JSON has no NaN or Infinity, but Python's json.dumps writes them. One such number must cost its row,
// not its batch: outside strings they are read as null, which the row check then refuses.
// Each token has a bounded length, so the pass is linear: matching whole strings was quadratic on
// unclosed ones, and 256 KB of \" after a NaN held the process for minutes.
const TOKENS = /"|\\[^]?|-?\b(?:NaN|Infinity)\b/g;

function nullForNonNumbers(text: string): string {
  let inString = false;
  return text.replace(TOKENS, (token) => {
    if (token === '"') inString = !inString;
    return inString || token === '"' || token.startsWith("\\") ? token : "null";
  });
}

/** Bytes to a JSON value. Never throws. */
export function parseJson(bytes: Uint8Array): Parsed<unknown> {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return refuse("JSON_BAD", "the payload is not UTF-8");
  }
  try {
    return accepted(JSON.parse(text));
  } catch (error) {
    if (/NaN|Infinity/.test(text)) {
      try {
        return accepted(JSON.parse(nullForNonNumbers(text)));
      } catch {
        // fall through to the first error, which names the position in what was sent
      }
    }
    return refuse("JSON_BAD", (error as Error).message);
  }
}

/** Bytes to a value of the schema: for messages that are few. Hot-path columns have hand-written loops. */
export function parseJsonAs<T>(schema: z.ZodType<T>, bytes: Uint8Array): Parsed<T> {
  const json = parseJson(bytes);
  if (!json.ok) return json;
  return parseShape(schema, json.value);
}

export function parseShape<T>(schema: z.ZodType<T>, value: unknown): Parsed<T> {
  const result = schema.safeParse(value);
  if (result.success) return accepted(result.data);
  const issue = result.error.issues[0];
  return refuse("SHAPE_BAD", issue === undefined ? "does not fit the schema" : `${issue.path.join(".") || "message"}: ${issue.message}`);
}
