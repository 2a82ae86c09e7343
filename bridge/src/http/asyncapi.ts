import { z } from "zod";
import { CHANNELS, CLOSE_CODES, EVENT_SCHEMAS, MESSAGE_ALIASES, MESSAGE_TYPES, SERVER_FRAME_SCHEMAS, SUBPROTOCOL, clientFrameSchema, type MessageType } from "@konferenco/protocol";

/**
 * The AsyncAPI 3.0 description of the client protocol, from the schemas that check it and from the registry of
 * event types: it cannot say anything else. Served at `/asyncapi.json`.
 */
export function asyncApiOf(version: string): object {
  const said = clientFrameSchema.options.map((schema) => ({ op: schema.shape.op.value as string, schema: schema as z.ZodType }));
  const told = Object.entries(SERVER_FRAME_SCHEMAS).map(([op, schema]) => ({ op, schema: schema as z.ZodType }));
  const toServer = Object.fromEntries(said.map(({ op }) => [`client.${op}`, ref("messages", `client.${op}`)]));
  const toClient = Object.fromEntries(told.map(({ op }) => [`server.${op}`, ref("messages", `server.${op}`)]));
  const inChannel = (name: string) => ({ $ref: `#/channels/events/messages/${name}` });
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Konferenco Proximity: live updates",
      version,
      description: `One JSON object per WebSocket text frame (sub-protocol ${SUBPROTOCOL}) or per server-sent event; "op" names it. An empty text frame is answered by one. docs/wire-protocol.md says what is promised.`,
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: {
      webSocket: { host: "{host}", pathname: "/events", protocol: "ws", description: "GET /events with Upgrade; /ws is the same place", variables: HOST, security: [{ $ref: "#/components/securitySchemes/token" }] },
      serverSentEvents: { host: "{host}", pathname: "/events", protocol: "http", description: "GET /events with Accept: text/event-stream; what the client says goes by POST /api/v1/control", variables: HOST, security: [{ $ref: "#/components/securitySchemes/token" }] },
    },
    channels: {
      events: { address: "/events", title: "The one connection of a client", messages: { ...toServer, ...toClient } },
    },
    operations: {
      // Told from the application's side, which is the server's: it receives what clients say.
      receiveFrames: { action: "receive", channel: { $ref: "#/channels/events" }, messages: said.map(({ op }) => inChannel(`client.${op}`)) },
      sendFrames: { action: "send", channel: { $ref: "#/channels/events" }, messages: told.map(({ op }) => inChannel(`server.${op}`)) },
    },
    components: {
      messages: Object.fromEntries([
        ...said.map(({ op, schema }) => [`client.${op}`, { name: op, title: `client: ${op}`, payload: jsonSchemaOf(schema) }]),
        ...told.map(({ op, schema }) => [`server.${op}`, { name: op, title: `server: ${op}`, payload: jsonSchemaOf(schema) }]),
      ]),
      schemas: Object.fromEntries(Object.entries(EVENT_SCHEMAS).map(([name, schema]) => [`event.${name}`, jsonSchemaOf(schema)])),
      securitySchemes: { token: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "over a WebSocket it travels in the frame hello, never in the address" } },
    },
    "x-subscriptions": [...CHANNELS, "app:{name}"],
    "x-close-codes": CLOSE_CODES,
    "x-event-types": Object.fromEntries(Object.entries(MESSAGE_TYPES).map(([name, type]) => [name, typeOf(name, type)])),
  };
}

const HOST = { host: { default: "127.0.0.1:8080", description: "where the bridge listens" } };

function typeOf(name: string, { priority, delivery, retentionMs, maxBytes, rate, senders, targets, lane, wire }: MessageType): object {
  const aliases = Object.entries(MESSAGE_ALIASES).flatMap(([alias, of]) => (of === name ? [alias] : []));
  return { priority, delivery, retentionMs, maxBytes, rate, senders, targets, lane, ...(wire === undefined ? {} : { wire }), ...(aliases.length === 0 ? {} : { aliases }) };
}

function ref(kind: string, name: string): object {
  return { $ref: `#/components/${kind}/${name}` };
}

function jsonSchemaOf(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", target: "draft-7" });
  return rest;
}
