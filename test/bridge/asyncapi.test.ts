import { CHANNELS, CLOSE_CODES, EVENT_SCHEMAS, MESSAGE_ALIASES, MESSAGE_TYPES, SERVER_FRAME_SCHEMAS, clientFrameSchema } from "@konferenco/protocol";
import { describe, expect, it } from "vitest";
import { asyncApiOf } from "../../bridge/src/http/asyncapi.ts";
import { asyncApiProblems } from "../support/asyncapi-checks.ts";

type Json = Record<string, unknown>;
const description = JSON.parse(JSON.stringify(asyncApiOf("1.2.3"))) as Json;
const at = (path: string): unknown => path.split("/").reduce<unknown>((node, part) => (node as Json | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], description);

function refsIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(refsIn);
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => (name === "$ref" && typeof value === "string" ? [value] : refsIn(value)));
}

describe("the AsyncAPI description", () => {
  it("is an AsyncAPI 3.0.0 document by the AsyncAPI project's own schema, which a document with a fault is not", () => {
    expect(description).toMatchObject({ asyncapi: "3.0.0", info: { title: expect.any(String), version: "1.2.3" } });
    expect(asyncApiProblems(description)).toEqual([]);
    expect(asyncApiProblems({ ...description, servers: { webSocket: { host: "{host}" } } })).not.toEqual([]);
    expect(asyncApiProblems({ ...description, extra: 1 })).not.toEqual([]);
  });

  it("points nowhere in vain", () => {
    const refs = refsIn(description).filter((ref) => ref.startsWith("#/components/messages") || ref.startsWith("#/channels") || ref.startsWith("#/components/sec"));
    expect(refs.length).toBeGreaterThan(20);
    expect(refs.filter((ref) => at(ref.slice(2)) === undefined)).toEqual([]);
    // Schemas are whole in themselves.
    expect(refsIn(description).filter((ref) => !refs.includes(ref))).toEqual([]);
  });

  it("has every frame of both sides, every event, every channel, every type and every close code", () => {
    const messages = Object.keys(at("components/messages") as Json);
    for (const option of clientFrameSchema.options) expect(messages).toContain(`client.${option.shape.op.value}`);
    for (const op of Object.keys(SERVER_FRAME_SCHEMAS)) expect(messages).toContain(`server.${op}`);
    expect(Object.keys(at("components/schemas") as Json)).toEqual(Object.keys(EVENT_SCHEMAS).map((name) => `event.${name}`));
    expect(description["x-subscriptions"]).toEqual([...CHANNELS, "app:{name}"]);
    expect(description["x-close-codes"]).toEqual(CLOSE_CODES);
    expect(Object.keys(description["x-event-types"] as Json)).toEqual(Object.keys(MESSAGE_TYPES));
    const aliases = Object.values(description["x-event-types"] as Record<string, { aliases?: string[] }>).flatMap((type) => type.aliases ?? []);
    expect(aliases.sort()).toEqual(Object.keys(MESSAGE_ALIASES).sort());
  });
});
