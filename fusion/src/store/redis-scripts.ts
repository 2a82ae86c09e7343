/**
 * What Redis does in one atomic step each. Keys are named in ARGV by their prefix where their names
 * depend on data (floors, tags): all carry the same hash tag `{eventId}`, so a cluster keeps them in
 * one slot. Scripts touch no clock: times come from the caller, expiries are relative.
 *
 * A tag is a random handle here, and what is about it is sealed with its key (key-ring.ts): without the key all of it
 * means nothing, also in copies.
 *
 * Key                 Type     Holds
 * meta                hash     eras, runId, end (offset), live (number of the last live entry), now
 * log                 stream   logged updates, id = offset-epoch
 * live                stream   positions and gateways, one entry per commit, id = number-epoch
 * positions, gateways hash     JSON by id
 * floors              hash     tag -> floor of its geo set, "-" when it is in none
 * geo:<floor>         geo      tags
 * seen                zset     tag by its last sign: geo members have no expiry of their own
 * stays, staysAt      hash, zset  tag -> zone; tag by its last sign
 * occupants           zset     "zone tag", all with score 0, read by prefix
 * recent:<tag>        stream   positions of 5 minutes, id = time
 * recentAt            zset     tag by its last recent position
 * alerts              zset     alert id by the time of storing
 * said                zset     sender and key of a message by the time of storing
 * commits:<writer>    hash     results of the last commits, for retries
 * told                channel  each commit as a whole for who follows; kept nowhere
 */

/** First lines of each script that needs the numbering. A new server process may have lost its newest entries: a new era begins. */
const ERA = `
local meta, log, live = KEYS[1], KEYS[2], KEYS[3]
local runId, fresh = ARGV[1], ARGV[2]
local known = redis.call('HMGET', meta, 'runId', 'eras', 'end', 'live')
local eras, stop, livestop = known[2], tonumber(known[3] or '0'), tonumber(known[4] or '0')
if not eras then
  redis.call('DEL', log, live)
  eras, stop, livestop = fresh .. ':0', 0, 0
  redis.call('HSET', meta, 'runId', runId, 'eras', eras, 'end', 0, 'live', 0)
elseif known[1] ~= runId then
  eras = eras .. ',' .. fresh .. ':' .. string.format('%.0f', stop)
  local _, count = string.gsub(eras, ',', '')
  if count >= 256 then eras = string.gsub(eras, '^[^,]*,', '') end
  redis.call('HSET', meta, 'runId', runId, 'eras', eras)
end
local epoch = string.format('%.0f', tonumber(string.match(eras, '([0-9a-f]+):[0-9]+$'), 16))
local function id(number) return string.format('%.0f', number) .. '-' .. epoch end
`;

/** -> eras, end, live, first kept offset */
export const STATE = `${ERA}
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local first = stop + 1
if oldest then first = tonumber(string.match(oldest[1], '^[0-9]+')) end
return {eras, stop, livestop, first}
`;

/**
 * KEYS meta log live positions floors seen alerts stays staysAt occupants gateways recentAt commits said
 * ARGV runId fresh prefix now number | alertRetention recentRetention occupancySilent | maxTags maxGateways maxRecentRows maxLive |
 *      counts of alerts, zones, proximities, positions, gateways, messages, signals | their fields, each ended by a newline
 *      (one argument for 3,000 fields: Redis, Lua and ioredis pay per argument. Ids and JSON hold no newline.) |
 *      the batch sealed as a whole, for those who follow
 * -> end, duplicate alerts, eras, refused tags, refused gateways, duplicate messages
 */
export const COMMIT = `
local done = redis.call('HGET', KEYS[13], ARGV[5])
${ERA}
if done then
  local told = cjson.decode(done)
  return {told[1], told[2], eras, 0, 0, told[3] or 0}
end
local positions, floors, seen, alerts, stays, staysAt, occupants, gateways, recentAt, commits =
  KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local prefix, now, number = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local alertRetention, recentRetention, occupancySilent = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local maxTags, maxGateways, maxRecentRows, maxLive = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12]
local alertCount, zoneCount, proximityCount, positionCount, gatewayCount = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local messageCount, signalCount, said = tonumber(ARGV[18]), tonumber(ARGV[19]), KEYS[14]
local take = string.gmatch(ARGV[20], '([^\\n]*)\\n')
local duplicates, duplicateMessages, refusedTags, refusedGateways = 0, 0, 0, 0
local stopBefore, liveBefore = stop, livestop

local function append(body)
  stop = stop + 1
  redis.call('XADD', log, id(stop), 't', ARGV[4], 'b', body)
end
-- A time that lies ahead counts as now: a phone's clock may be years off.
local function sign(time) if tonumber(time) > now then return ARGV[4] end return time end
-- Lua hands at most some 8,000 arguments to one call.
local function send(command, key, list)
  for from = 1, #list, 3000 do redis.call(command, key, unpack(list, from, math.min(from + 2999, #list))) end
end

for _ = 1, alertCount do
  local alertId, body = take(), take()
  local before = redis.call('ZSCORE', alerts, alertId)
  if before and tonumber(before) >= now - alertRetention then duplicates = duplicates + 1
  else
    redis.call('ZADD', alerts, ARGV[4], alertId)
    append(body)
  end
end

for _ = 1, messageCount do
  local keyId, body = take(), take()
  local before = keyId ~= '' and redis.call('ZSCORE', said, keyId)
  if before and tonumber(before) >= now - alertRetention then duplicateMessages = duplicateMessages + 1
  else
    if keyId ~= '' then redis.call('ZADD', said, ARGV[4], keyId) end
    append(body)
  end
end

for _ = 1, zoneCount do
  local transition, tag, zone, time, body = take(), take(), take(), take(), take()
  append(body)
  local held = redis.call('HGET', stays, tag)
  if transition == 'exit' then
    if held == zone then
      redis.call('HDEL', stays, tag)
      redis.call('ZREM', staysAt, tag)
      redis.call('ZREM', occupants, zone .. ' ' .. tag)
    end
  elseif held or redis.call('HLEN', stays) < maxTags then
    if held ~= zone then
      if held then redis.call('ZREM', occupants, held .. ' ' .. tag) end
      redis.call('HSET', stays, tag, zone)
      redis.call('ZADD', occupants, 0, zone .. ' ' .. tag)
    end
    redis.call('ZADD', staysAt, sign(time), tag)
  else refusedTags = refusedTags + 1 end
end

for _ = 1, proximityCount do
  append(take())
end

local kept = {}
if positionCount > 0 then
  local held = redis.call('HLEN', floors)
  local spacing = math.max(1000, math.ceil(recentRetention * redis.call('ZCARD', recentAt) / maxRecentRows))
  local moved, lastRecent = {}, {}
  local places, signs, fields, floorFields, recentFields = {}, {}, {}, {}, {}
  local rows, tags = {}, {}
  for i = 1, positionCount do
    rows[i] = {take(), take(), take(), take(), take()}
    tags[i] = take()
  end
  for from = 1, positionCount, 3000 do
    local to = math.min(from + 2999, positionCount)
    local before = redis.call('HMGET', floors, unpack(tags, from, to))
    local last = redis.call('ZMSCORE', recentAt, unpack(tags, from, to))
    for i = from, to do
      moved[tags[i]] = before[i - from + 1]
      local at = last[i - from + 1]
      lastRecent[tags[i]] = at and tonumber(at)
    end
  end
  for i, tag in ipairs(tags) do
    local floor, lon, lat, time, body = unpack(rows[i])
    local before = moved[tag]
    if not before and held >= maxTags then refusedTags = refusedTags + 1
    else
      if not before then held = held + 1 end
      if lon == '' then floor = '-' end
      if before and before ~= '-' and before ~= floor then
        redis.call('ZREM', prefix .. 'geo:' .. before, tag)
        -- Twice in one batch: what waits for the other floor's set must not follow.
        local list = places[before] or {}
        for i = #list - 2, 1, -3 do
          if list[i + 2] == tag then for _ = 1, 3 do table.remove(list, i) end end
        end
      end
      moved[tag] = floor
      if floor ~= '-' then
        local list = places[floor] or {}
        places[floor] = list
        list[#list + 1], list[#list + 2], list[#list + 3] = lon, lat, tag
      end
      kept[#kept + 1] = body
      fields[#fields + 1], fields[#fields + 2] = tag, body
      floorFields[#floorFields + 1], floorFields[#floorFields + 2] = tag, floor
      signs[#signs + 1], signs[#signs + 2] = sign(time), tag
      local number, last = tonumber(time), lastRecent[tag]
      if math.abs(now - number) <= recentRetention and (not last or number - last >= spacing or last - number >= 2 * recentRetention) then
        local key = prefix .. 'recent:' .. tag
        if last and number < last then redis.call('DEL', key) end
        -- pcall: a row that Redis finds out of order costs only itself.
        redis.pcall('XADD', key, 'MINID', '=', string.format('%.0f', math.max(0, now - recentRetention)), string.format('%.0f-0', math.floor(number)), 'p', body)
        redis.call('PEXPIRE', key, recentRetention)
        lastRecent[tag] = number
        recentFields[#recentFields + 1], recentFields[#recentFields + 2] = time, tag
      end
    end
  end
  for floor, list in pairs(places) do
    local key = prefix .. 'geo:' .. floor
    send('GEOADD', key, list)
    redis.call('PEXPIRE', key, recentRetention)
  end
  send('HSET', positions, fields)
  send('HSET', floors, floorFields)
  send('ZADD', seen, signs)
  for from = 1, #signs, 3000 do redis.call('ZADD', staysAt, 'XX', unpack(signs, from, math.min(from + 2999, #signs))) end
  if #recentFields > 0 then send('ZADD', recentAt, recentFields) end
  -- When fusion dies, nobody's whereabouts outlive it: these keys end by themselves.
  for _, key in ipairs({positions, floors, seen, recentAt}) do redis.call('PEXPIRE', key, recentRetention) end
end
if positionCount + zoneCount > 0 then
  for _, key in ipairs({stays, staysAt, occupants}) do redis.call('PEXPIRE', key, occupancySilent) end
end

local shown = {}
for _ = 1, gatewayCount do
  local gateway, body = take(), take()
  if redis.call('HLEN', gateways) < maxGateways or redis.call('HEXISTS', gateways, gateway) == 1 then
    redis.call('HSET', gateways, gateway, body)
    shown[#shown + 1] = body
  else refusedGateways = refusedGateways + 1 end
end

local signals = {}
for i = 1, signalCount do signals[i] = take() end

if #kept + #shown + signalCount > 0 then
  livestop = livestop + 1
  redis.call('XADD', live, 'MAXLEN', '=', maxLive, id(livestop), 'e', string.format('%.0f', stop), 't', ARGV[4],
    'p', '[' .. table.concat(kept, ',') .. ']', 'g', '[' .. table.concat(shown, ',') .. ']', 's', '[' .. table.concat(signals, ',') .. ']')
  redis.call('PEXPIRE', live, recentRetention)
end
redis.call('HSET', meta, 'end', string.format('%.0f', stop), 'live', string.format('%.0f', livestop))
-- People talk by the wall clock; the venue's time is fusion's, which may replay another day.
if messageCount + signalCount == 0 or alertCount + zoneCount + proximityCount + positionCount + gatewayCount > 0 then redis.call('HSET', meta, 'now', ARGV[4]) end
-- A caller that did not get our answer asks again with the same number.
redis.call('HSET', commits, number, cjson.encode({stop, duplicates, duplicateMessages}))
redis.call('HDEL', commits, string.format('%.0f', tonumber(number) - 64))
redis.call('PEXPIRE', commits, 3600000)
-- Told as it was given, unless not all of it was stored: then the streams say what was. Without the right to the channel (pcall) it is read there too.
if stop > stopBefore or livestop > liveBefore then
  local whole = duplicates + duplicateMessages + refusedTags + refusedGateways == 0 and ARGV[21] or ''
  redis.pcall('PUBLISH', prefix .. 'told', string.format('%s %s %.0f %.0f %.0f %.0f ', string.match(eras, '([0-9a-f]+):[0-9]+$'), ARGV[4], stopBefore, stop, liveBefore, livestop) .. whole)
end
return {stop, duplicates, eras, refusedTags, refusedGateways, duplicateMessages}
`;

const FORGET = `
local function forgetPosition(prefix, tag)
  local floor = redis.call('HGET', prefix .. 'floors', tag)
  if floor and floor ~= '-' then redis.call('ZREM', prefix .. 'geo:' .. floor, tag) end
  redis.call('HDEL', prefix .. 'floors', tag)
  redis.call('HDEL', prefix .. 'positions', tag)
  redis.call('ZREM', prefix .. 'seen', tag)
end
local function forgetStay(prefix, tag)
  local zone = redis.call('HGET', prefix .. 'stays', tag)
  if zone then redis.call('ZREM', prefix .. 'occupants', zone .. ' ' .. tag) end
  redis.call('HDEL', prefix .. 'stays', tag)
  redis.call('ZREM', prefix .. 'staysAt', tag)
end
local function forgetRecent(prefix, tag)
  redis.call('DEL', prefix .. 'recent:' .. tag)
  redis.call('ZREM', prefix .. 'recentAt', tag)
end
`;

/** KEYS meta; ARGV prefix tag */
export const DROP_TAG = `${FORGET}
forgetPosition(ARGV[1], ARGV[2])
forgetStay(ARGV[1], ARGV[2])
forgetRecent(ARGV[1], ARGV[2])
`;

/** KEYS meta log; ARGV prefix now logRetention recentRetention occupancySilent -> log entries that went, 1 when there may be more */
export const SWEEP = `${FORGET}
local meta, log = KEYS[1], KEYS[2]
local prefix, now = ARGV[1], tonumber(ARGV[2])
-- Redis serves nobody while this runs: at most so many of each at a time, about 2 ms.
local limit = 1000
local more = 0
local function each(key, beforeMs, forget)
  local tags = redis.call('ZRANGEBYSCORE', prefix .. key, '-inf', '(' .. string.format('%.3f', beforeMs), 'LIMIT', 0, limit)
  for _, tag in ipairs(tags) do forget(prefix, tag) end
  if #tags == limit then more = 1 end
end
each('seen', now - ARGV[4], forgetPosition)
each('recentAt', now - ARGV[4], forgetRecent)
each('staysAt', now - ARGV[5], forgetStay)
redis.call('ZREMRANGEBYSCORE', prefix .. 'alerts', '-inf', '(' .. string.format('%.3f', now - ARGV[3]))
redis.call('ZREMRANGEBYSCORE', prefix .. 'said', '-inf', '(' .. string.format('%.3f', now - ARGV[3]))
local gone = 0
local entries = redis.call('XRANGE', log, '-', '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  if tonumber(entry[2][2]) >= now - ARGV[3] then break end
  gone = gone + 1
end
if gone == #entries and gone > 0 then
  redis.call('XTRIM', log, 'MINID', '=', string.format('%.0f-0', tonumber(string.match(entries[gone][1], '^[0-9]+')) + 1))
  if gone == limit then more = 1 end
elseif gone > 0 then redis.call('XTRIM', log, 'MINID', '=', entries[gone + 1][1]) end
if redis.call('EXISTS', meta) == 1 then redis.call('HSET', meta, 'now', ARGV[2]) end
return {gone, more}
`;

/**
 * KEYS geo:<floor> positions; ARGV lon lat radius limit least and greatest scale -> positions of the candidates.
 * Redis measures on a sphere and places on a grid (0.25 m), so it only chooses candidates, with that
 * much to spare; distances are computed from the exact positions. With a limit it is asked twice:
 * how far the nearest ones reach, then for all who might be nearer than the farthest of these.
 */
export const NEARBY = `
local lon, lat, radius, limit, least, greatest = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local slack = 0.5
local reach = radius * greatest + slack
local nearest = redis.call('GEOSEARCH', KEYS[1], 'FROMLONLAT', lon, lat, 'BYRADIUS', reach, 'm', 'ASC', 'COUNT', limit, 'WITHDIST')
local tags = {}
if #nearest == limit then
  local enough = (tonumber(nearest[#nearest][2]) + slack) / least * greatest + slack
  tags = redis.call('GEOSEARCH', KEYS[1], 'FROMLONLAT', lon, lat, 'BYRADIUS', math.min(reach, enough), 'm', 'ASC', 'COUNT', limit + 1000)
else
  for i, found in ipairs(nearest) do tags[i] = found[1] end
end
local bodies = {}
for from = 1, #tags, 3000 do
  for _, body in ipairs(redis.call('HMGET', KEYS[2], unpack(tags, from, math.min(from + 2999, #tags)))) do bodies[#bodies + 1] = body end
end
return bodies
`;
