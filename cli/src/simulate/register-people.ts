import { ConfigError } from "@konferenco/protocol";
import { demoPeople } from "@konferenco/simulators";
import type { Site } from "../site.ts";

/** People under way to the bridge at once. */
const PARALLEL = 8;

/** Gives the walkers' tags to invented people, through the bridge's REST API as a venue's own software would. */
export async function registerDemoPeople(options: { bridgeUrl: string; site: Site; seed: string; tags: number; nowMs: number }): Promise<number> {
  const login = options.site.logins.find(({ role }) => role === "operator");
  if (login === undefined) throw new ConfigError("site.json has no operator login: --register needs one");
  const { token } = (await post(options.bridgeUrl, "/api/v1/sessions", { login: login.login, password: login.password })) as { token: string };
  const people = demoPeople({ seed: options.seed, tags: options.tags, nowMs: options.nowMs });
  for (let begin = 0; begin < people.length; begin += PARALLEL) {
    await Promise.all(
      people.slice(begin, begin + PARALLEL).map(({ profile, consent: { given, version }, settings, tagId }) =>
        post(options.bridgeUrl, "/api/v1/people", { profile, consent: { given, version }, settings, ...(tagId === null ? {} : { tagId }) }, token),
      ),
    );
  }
  return people.length;
}

async function post(bridgeUrl: string, path: string, body: object, token?: string): Promise<unknown> {
  const headers = { "content-type": "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  let response: Response;
  try {
    response = await fetch(new URL(path, bridgeUrl), { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    throw new ConfigError(`the bridge at ${bridgeUrl} does not answer (--register): ${(error as Error).message}`, { cause: error });
  }
  const answer = await response.text();
  // From an earlier run the person has decided to show less: that stands.
  if (response.status === 403 && token !== undefined) return null;
  if (!response.ok) throw new ConfigError(`the bridge at ${bridgeUrl} refused ${path}: ${answer.slice(0, 300)}`);
  return JSON.parse(answer);
}
