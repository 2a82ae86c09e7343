import { z } from "zod";
import type { Parsed } from "./errors.ts";
import { MAX_ALERT_TEXT_LENGTH } from "./limits.ts";
import { parseJsonAs } from "./parse-json.ts";
import { idSchema } from "./sensors.ts";
import { ALERT_SEVERITIES } from "./topics.ts";

/** An alert to people, on `konferenco/{eventId}/alert/{severity}`, QoS 2. The severity travels in the topic. */
export const alertMessageSchema = z.object({
  v: z.literal(1),
  /** Exactly once: a second alert with the same id within 24 h is dropped. */
  alertId: idSchema,
  title: z.string().min(1).max(120).transform(cleanText),
  text: z.string().min(1).max(MAX_ALERT_TEXT_LENGTH).transform(cleanText),
  /** Whom it concerns first; absent = the whole venue. */
  zoneIds: z.array(idSchema).max(64).optional(),
  atMs: z.number().finite().optional(),
});
export type AlertMessage = z.infer<typeof alertMessageSchema>;

/** An alert as it is stored and shown. */
export interface Alert {
  alertId: string;
  severity: (typeof ALERT_SEVERITIES)[number];
  title: string;
  text: string;
  zoneIds: string[];
  atMs: number;
}

export function parseAlertMessage(bytes: Uint8Array): Parsed<AlertMessage> {
  return parseJsonAs(alertMessageSchema, bytes);
}

/** Text that a person will read: control and direction-changing characters are removed. Pages escape it when they show it. */
export function cleanText(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").trim();
}
