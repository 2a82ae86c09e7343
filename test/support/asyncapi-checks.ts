import specs from "@asyncapi/specs";
import { Ajv } from "ajv";

export type PayloadValidator = (payload: unknown) => boolean;

/** What the AsyncAPI project's own schema (3.0.0) has against a document; empty when nothing. */
export function asyncApiProblems(document: object): string[] {
  // `meta` off: the schema brings the draft-07 meta-schema along. Formats are annotations in draft-07.
  const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false });
  const validate = ajv.compile(specs.schemas["3.0.0"] as object);
  return validate(document) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
}

/** A validator per message of a description, by its name (`server.welcome`), made from the payload's JSON Schema alone. */
export function payloadValidators(document: object): Map<string, PayloadValidator> {
  const { components } = document as { components: { messages: Record<string, { payload: object }> } };
  const ajv = new Ajv({ strict: false, validateFormats: false });
  return new Map(Object.entries(components.messages).map(([name, { payload }]) => [name, ajv.compile(payload) as PayloadValidator]));
}
