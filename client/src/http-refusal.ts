import type { ClientErrorCode } from "@konferenco/protocol";
import type { Refusal } from "./options.ts";

/** Why the server's API said no, in the form of the frame `err`; what is not its own words (a proxy's page) is "not available". */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { error } = ((await response.json().catch(() => ({}))) ?? {}) as { error?: { code: ClientErrorCode; number: number; retry: boolean; after?: number; detail?: string } };
  const { number: n, ...rest } = error ?? { code: "not_available" as const, number: 5030, retry: true };
  return { n, ...rest };
}
