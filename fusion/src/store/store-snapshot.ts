import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "@konferenco/protocol";
import { z } from "zod";
import { systemCode, writeFileAtomic } from "./durable-file.ts";

const NAME = "store.json";

const snapshotSchema = z.object({
  v: z.literal(1),
  eventId: z.string(),
  /** Written by an orderly end. Without it the log's last second may be missing (power cut), so a new era begins. */
  clean: z.boolean(),
  eras: z.array(z.object({ epoch: z.string().min(1), from: z.number().int().min(0) })).min(1),
  /** The log was this far when the rest was written; what follows is read from the log. */
  offset: z.number().int().min(0),
  alertIds: z.array(z.tuple([z.string(), z.number()])),
  messageKeys: z.array(z.tuple([z.string(), z.number()])).default([]),
  /** Tag, zone, last sign. Exact positions are not written to disk. */
  stays: z.array(z.tuple([z.string(), z.string(), z.number()])),
});
export type StoreSnapshot = z.infer<typeof snapshotSchema>;

/** Null: none yet, or one that cannot be read; then everything is rebuilt from the log, under a new epoch. */
export async function readSnapshot(folder: string, eventId: string): Promise<StoreSnapshot | null> {
  let text: string;
  try {
    text = await readFile(join(folder, NAME), "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
  const snapshot = parseSnapshot(text);
  if (snapshot !== null && snapshot.eventId !== eventId) {
    throw new ConfigError(`data folder ${folder} belongs to event "${snapshot.eventId}", not to "${eventId}": choose another data folder, or that event`);
  }
  return snapshot;
}

export function writeSnapshot(folder: string, snapshot: StoreSnapshot): Promise<void> {
  return writeFileAtomic(join(folder, NAME), JSON.stringify(snapshot));
}

function parseSnapshot(text: string): StoreSnapshot | null {
  try {
    return snapshotSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
