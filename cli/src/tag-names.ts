import fs from "node:fs";
import { newRotatingTags, parseTagKeys, type RotatingTags } from "@konferenco/fusion";
import { ConfigError, encodeTagNames, jsonOfFile } from "@konferenco/protocol";

/** Reads the keys of tags whose names change. Throws `ConfigError` with what to mend. */
export function rotatingTagsOf(file: string): RotatingTags {
  let json: unknown;
  try {
    json = jsonOfFile(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError(`${file} cannot be read as JSON: ${(error as Error).message} (konferenco tag-keys makes such a file)`);
  }
  return newRotatingTags(parseTagKeys(json, file));
}

/** Before the broker is asked again to take the names. */
const RETRY_MS = 5_000;

/** Tells gateways the names of this epoch, now and whenever one begins. A broker that is away is asked until it takes them. */
export function announceTagNames(options: { tags: RotatingTags; publish: (payload: string) => Promise<void>; nowMs: () => number; log: (event: object) => void }): { close(): void } {
  const { tags, nowMs } = options;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let told = true;
  async function announce(): Promise<void> {
    const atMs = nowMs();
    let waitMs = tags.epochEndMs(atMs) - atMs;
    try {
      await options.publish(encodeTagNames(tags.headsAround(atMs)));
      told = true;
    } catch (error) {
      if (told) options.log({ event: "tag-names-not-told", reason: (error as Error).message, remedy: "gateways go on with the names of the last epoch" });
      told = false;
      waitMs = Math.min(waitMs, RETRY_MS);
    }
    if (!closed) timer = setTimeout(() => void announce(), waitMs);
  }
  void announce();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
