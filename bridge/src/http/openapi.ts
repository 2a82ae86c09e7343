import { z } from "zod";
import { CLIENT_ERRORS, type ClientErrorCode } from "@konferenco/protocol";
import { errorSchema, type Route } from "./router.ts";

/** The OpenAPI 3.1 description of the routes, from the schemas that check them: it cannot say anything else. */
export function openApiOf(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const each of routes) (paths[each.path] ??= {})[each.method.toLowerCase()] = operationOf(each);
  return {
    openapi: "3.1.0",
    info: {
      title: "Konferenco Proximity",
      version,
      description: "People, tags, privacy settings, people nearby, alerts. Live updates come over the WebSocket at /events (docs/wire-protocol.md).",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths,
    components: {
      schemas: { Error: jsonSchemaOf(errorSchema, "output") },
      securitySchemes: { token: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  };
}

function operationOf(each: Route): object {
  const errors: ClientErrorCode[] = ["bad_request", "rate_limited", "not_available", ...(each.access === "public" ? [] : (["unauthorized", "token_expired", "forbidden"] as const)), ...(each.errors ?? [])];
  return {
    summary: each.summary,
    ...(each.access === "public" ? { security: [] } : { security: [{ token: [] }], "x-access": each.access === "person" ? "a person, for themselves" : each.access.join(", ") }),
    ...(each.params === undefined && each.query === undefined ? {} : { parameters: [...parametersOf(each.params, "path"), ...parametersOf(each.query, "query")] }),
    ...(each.body === undefined ? {} : { requestBody: { required: true, content: { [each.bodyType ?? "application/json"]: { schema: jsonSchemaOf(each.body, "input") } } } }),
    responses: {
      [String(each.status ?? 200)]: {
        description: "done",
        ...(each.answers === undefined ? {} : { content: { "application/json": { schema: jsonSchemaOf(each.answers, "output") } } }),
      },
      ...errorsByStatus(errors),
    },
  };
}

/** Several errors share a status: their codes stand in the description. */
function errorsByStatus(codes: readonly ClientErrorCode[]): Record<string, object> {
  const byStatus: Record<string, ClientErrorCode[]> = {};
  for (const code of new Set(codes)) (byStatus[String(CLIENT_ERRORS[code].httpStatus)] ??= []).push(code);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, list]) => [status, { description: list.join(", "), content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } }]),
  );
}

function parametersOf(schema: z.ZodType | undefined, where: "path" | "query"): object[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchemaOf(schema, "input") as { properties?: Record<string, object>; required?: string[] };
  return Object.entries(properties).map(([name, each]) => ({ name, in: where, required: where === "path" || required.includes(name), schema: each }));
}

function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", target: "draft-2020-12" });
  return rest;
}
