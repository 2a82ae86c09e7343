/**
 * What Redis does to people in one atomic step each. All keys of an event carry its hash tag. People and tags are random
 * handles here, and what is known of them is sealed (KeyRing).
 *
 * Key        Type    Holds
 * meta       hash    runId, epoch, changes (number of the last change)
 * changes    stream  who changed, id = number-epoch, kept for 20,000 changes or 10 quiet minutes
 * ids        zset    people, all with score 0
 * profiles, consents, settings  hash  JSON by person
 * holders    hash    tag -> person
 * tags       hash    person -> tag
 *
 * KEYS is the same for every script: meta changes ids profiles consents settings holders tags.
 * ARGV begins with runId and a fresh epoch: after a restart of the server the newest changes may be
 * lost, so a new epoch begins, and whoever follows asks for everybody anew.
 */
const BEGIN = `
local meta, changes, ids, profiles, consents, settings, holders, tags = unpack(KEYS)
local known = redis.call('HMGET', meta, 'runId', 'epoch', 'changes')
local epoch, count = known[2], tonumber(known[3] or '0')
if known[1] ~= ARGV[1] then
  if not known[1] then redis.call('DEL', changes) end
  epoch = ARGV[2]
  redis.call('HSET', meta, 'runId', ARGV[1], 'epoch', epoch, 'changes', string.format('%.0f', count))
end
local function tell(kind, person, tag)
  count = count + 1
  redis.call('HSET', meta, 'changes', string.format('%.0f', count))
  redis.call('XADD', changes, 'MAXLEN', '~', 20000, string.format('%.0f-%.0f', count, tonumber(epoch, 16)), 'k', kind, 'p', person, 't', tag or '')
  redis.call('PEXPIRE', changes, 600000)
end
local function there(person) return redis.call('ZSCORE', ids, person) end
local function read(person)
  return {redis.call('HGET', profiles, person), redis.call('HGET', consents, person), redis.call('HGET', settings, person), redis.call('HGET', tags, person)}
end
`;

/** -> epoch, number of the last change */
export const STATE = `${BEGIN}
return {epoch, count}
`;

/** ARGV … persons -> profile, consent, settings, tag of each */
export const READ = `${BEGIN}
local found = {}
for i = 3, #ARGV do found[#found + 1] = read(ARGV[i]) end
return found
`;

/** ARGV … person profile consent settings (empty: as it is) default consent, default settings, most people -> as READ, or nothing beyond the limit */
export const PUT = `${BEGIN}
local person = ARGV[3]
if not there(person) then
  if redis.call('ZCARD', ids) >= tonumber(ARGV[9]) then return false end
  redis.call('ZADD', ids, 0, person)
end
redis.call('HSET', profiles, person, ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', consents, person, ARGV[5]) else redis.call('HSETNX', consents, person, ARGV[7]) end
if ARGV[6] ~= '' then redis.call('HSET', settings, person, ARGV[6]) else redis.call('HSETNX', settings, person, ARGV[8]) end
tell('person', person)
return read(person)
`;

/** ARGV … tag person, the handle that the tag had before or "" -> 0 when there is no such person, else the tag that the person had before or "" */
export const ASSIGN = `${BEGIN}
local tag, person = ARGV[3], ARGV[4]
if not there(person) then return 0 end
local tagBefore = redis.call('HGET', tags, person)
for _, handle in ipairs({ARGV[5], tag}) do
  local holder = redis.call('HGET', holders, handle)
  if holder then
    redis.call('HDEL', holders, handle)
    if holder ~= person then
      redis.call('HDEL', tags, holder)
      tell('person', holder)
    end
  end
end
if tagBefore then redis.call('HDEL', holders, tagBefore) end
redis.call('HSET', holders, tag, person)
redis.call('HSET', tags, person, tag)
tell('person', person)
return tagBefore or ''
`;

/** ARGV … tag */
export const RELEASE = `${BEGIN}
local holder = redis.call('HGET', holders, ARGV[3])
if not holder then return 0 end
redis.call('HDEL', holders, ARGV[3])
redis.call('HDEL', tags, holder)
tell('person', holder)
return 1
`;

/** ARGV … person consent -> as READ, or nothing */
export const CONSENT = `${BEGIN}
if not there(ARGV[3]) then return false end
redis.call('HSET', consents, ARGV[3], ARGV[4])
tell('person', ARGV[3])
return read(ARGV[3])
`;

/** ARGV … person settings-as-read new-settings -> as READ, or 0 when somebody else was faster */
export const SETTINGS = `${BEGIN}
if redis.call('HGET', settings, ARGV[3]) ~= ARGV[4] then return 0 end
redis.call('HSET', settings, ARGV[3], ARGV[5])
tell('person', ARGV[3])
return read(ARGV[3])
`;

/** ARGV … person -> tag or "", or nothing when there is no such person */
export const ERASE = `${BEGIN}
local person = ARGV[3]
if not there(person) then return false end
local tag = redis.call('HGET', tags, person)
if tag and redis.call('HGET', holders, tag) == person then redis.call('HDEL', holders, tag) end
redis.call('ZREM', ids, person)
for _, key in ipairs({profiles, consents, settings, tags}) do redis.call('HDEL', key, person) end
tell('erased', person, tag)
return tag or ''
`;
