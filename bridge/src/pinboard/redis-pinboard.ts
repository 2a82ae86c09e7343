import { RedisLink } from "@konferenco/fusion";
import type { Redis } from "ioredis";
import type { Pinboard } from "./pinboard.ts";

/**
 * The generic cell rate algorithm: the key holds when the bucket will be full again.
 * KEYS 1: the name. ARGV: milliseconds per token, burst -> 0, or the milliseconds to wait.
 */
const PASS = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local each, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + each
local wait = full - now - each * burst
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return 0
`;

/**
 * KEYS 1: the members, a set. 2: the numbers, a hash. ARGV: for how long (ms), the most at once, 1 for the last word,
 * members -> how many members, the most at once.
 */
const TALLY = `
local forMs, most, isLast = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local known = redis.call('HMGET', KEYS[2], 'most', 'settled')
most = math.max(most, tonumber(known[1] or '0'))
if not known[2] and #ARGV > 3 then redis.call('SADD', KEYS[1], unpack(ARGV, 4)) end
local members = tonumber(known[2] or redis.call('SCARD', KEYS[1]))
redis.call('HSET', KEYS[2], 'most', most)
if isLast then
  redis.call('HSET', KEYS[2], 'settled', members)
  redis.call('DEL', KEYS[1])
end
redis.call('PEXPIRE', KEYS[1], forMs)
redis.call('PEXPIRE', KEYS[2], forMs)
return {members, most}
`;

interface PinboardScripts {
  konferencoPass(key: string, eachMs: number, burst: number): Promise<number>;
  konferencoTally(setKey: string, numbersKey: string, forMs: number, most: number, isLast: 0 | 1, ...members: string[]): Promise<[number, number]>;
}

/** Opens the notes of an event in Redis. Throws `ConfigError` for an address, login or server that cannot work, `StoreUnavailable` when nobody answers. */
export async function openRedisPinboard(options: { eventId: string; url: string }): Promise<Pinboard> {
  const link = await RedisLink.open(options.url, "konferenco-pinboard");
  link.client.defineCommand("konferencoPass", { numberOfKeys: 1, lua: PASS });
  link.client.defineCommand("konferencoTally", { numberOfKeys: 2, lua: TALLY });
  // A server that was killed may have forgotten that a note was taken: after a restart the old ones are not read any more.
  const keyOf = (name: string, runId: string) => `konferenco:{${options.eventId}}:pinned:${runId}:${name}`;
  // What is counted goes on after a restart, and so do those who are in it: they can be taken out, and go when it is over.
  const tallyKeysOf = (name: string) => [`tally ${name}`, `numbers ${name}`].map((key) => keyOf(key, "lasting")) as [string, string];
  return {
    async pin(name, note, forMs) {
      await link.run((client, runId) => client.set(keyOf(name, runId), note, "PX", Math.ceil(forMs)));
    },
    take: (name) => link.run((client, runId) => client.getdel(keyOf(name, runId))),
    pass: (name, { perS, burst }) => link.run((client, runId) => (client as Redis & PinboardScripts).konferencoPass(keyOf(`rate ${name}`, runId), 1_000 / perS, burst)),
    async tally(name, { members, most, isLast }, forMs) {
      const [count, mostOfAll] = await link.run((client) => (client as Redis & PinboardScripts).konferencoTally(...tallyKeysOf(name), Math.ceil(forMs), most, isLast ? 1 : 0, ...members));
      return { members: count, most: mostOfAll };
    },
    async untally(name, member) {
      await link.run((client) => client.srem(tallyKeysOf(name)[0], member));
    },
    close: async () => link.close(),
  };
}
