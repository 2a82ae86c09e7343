import type { z } from "zod";
import { accepted, refuse, type Parsed } from "./errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

// JSON has no NaN or Infinity, but Python's json.dumps writes them. One such number must cost its row,
// not its batch: outside strings they are read as null, which the row check then refuses.
const NON_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

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
        return accepted(JSON.parse(text.replace(NON_NUMBERS, (part) => (part.startsWith('"') ? part : "null"))));
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
