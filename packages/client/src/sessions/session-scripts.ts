import { defineScript, type Script } from '@corral/connection'
import { LONGEST_SESSION_MS } from './options.ts'

/**
 * How long nothing can be stored under an id that was destroyed, or in a store under one whose session is
 * over: for requests that still hold the session and save it at their end. No call of a connection is under
 * way for longer, whatever its deadline.
 */
const BURIED_MS = 60_000

/**
 * A session is a hash: d = data, u = user, b = since when it is that user's (µs), c = created (µs), e = its
 * last moment (µs), i = how long it lives unused (µs), s = last seen (µs), l = label; in a store v = when it
 * is over unless it is used (µs), as its key outlives it there.
 * A hash with x alone is one that was destroyed a moment ago.
 *
 * `alive` reads one and decides by the server's time and the user's stamp, in the same step in which it
 * is used or changed: so no write can carry a session past its revocation.
 */
const SESSION = `
local function whole(number) return string.format('%.0f', number) end
local function px(micros) return math.max(1, math.ceil(micros / 1000)) end
local function stamp_of(key) return tonumber(redis.call('GET', key) or 0) or 0 end
local function alive(key, stamp_key, absolute, own)
  local f = redis.pcall('HMGET', key, 'd', 'u', 'b', 'c', 'e', 'i', 's', 'l', 'v')
  if f.err then return f end
  if not f[1] then return nil end
  local s = {key = key, data = f[1], user = f[2] or '', born = tonumber(f[3]) or 0,
    created = tonumber(f[4]) or 0, ends = tonumber(f[5]) or 0, idle = tonumber(f[6]) or 0,
    seen = tonumber(f[7]) or 0, label = f[8] or '', over = tonumber(f[9])}
  s.ends = math.min(s.ends, s.created + absolute)
  local stamp = stamp_key and stamp_of(stamp_key) or 0
  if now >= s.ends or stamp >= s.born or (s.over and now >= s.over) then
    -- Under an id that anybody may write it stays, dead: a write must find that it was revoked, or is over.
    if not own and not s.over then redis.call('UNLINK', key) end
    return nil
  end
  return s
end
local function roll(s)
  local left = math.min(s.idle, s.ends - now)
  redis.call('PEXPIRE', s.key, px(left) + (s.over and ${BURIED_MS} or 0))
  if s.over then redis.call('HSET', s.key, 'v', whole(now + left)) end
end
local function write(s)
  redis.call('HSET', s.key, 'd', s.data, 'u', s.user, 'b', whole(s.born), 'c', whole(s.created),
    'e', whole(s.ends), 'i', whole(s.idle), 's', whole(now), 'l', s.label)
  roll(s)
end
local function enlist(index_key, member, ends)
  redis.call('ZADD', index_key, whole(ends), member)
  redis.call('ZREMRANGEBYSCORE', index_key, '-inf', whole(now))
  redis.call('PEXPIRE', index_key, math.max(px(ends - now), redis.call('PTTL', index_key)))
end
-- Under an id that anybody may write: DEL comes first, so this works when Redis is full.
local function bury(key)
  redis.call('DEL', key)
  redis.call('HSET', key, 'x', '1')
  redis.call('PEXPIRE', key, ${BURIED_MS})
end
local function told(s)
  return {s.data, s.user, whole(s.born), whole(s.created), whole(math.min(now + s.idle, s.ends)),
    whole(s.ends), whole(s.idle), s.label}
end
`

/**
 * KEYS session, stamp. ARGV absolute µs, 1 = counts as use, idle µs (0 = as it was).
 * Reply: nil, or what `told` tells.
 */
export const readSession: Script = defineScript({
  name: 'session:read',
  memory: 'shrink',
  lua: `${SESSION}
local s = alive(KEYS[1], KEYS[2], tonumber(ARGV[2]))
if not s or s.err then return s end
if ARGV[3] == '1' then
  if ARGV[4] ~= '0' then s.idle = tonumber(ARGV[4]) end
  -- This comes first: what follows another write works also when Redis is full.
  roll(s)
  if ARGV[4] ~= '0' then redis.call('HSET', s.key, 'i', ARGV[4]) end
  -- Once a minute is enough for a list, and a write less for every read.
  if now - s.seen > 60000000 then redis.call('HSET', s.key, 's', whole(now)) end
end
return told(s)
`,
})

/**
 * KEYS session, stamp, index. ARGV data, user, member, idle µs, absolute µs, label; then of a session
 * that moves here from another server: since, created and last moment in µs (0 = it begins its life now),
 * and how far two clocks may differ. Reply: end µs, or nil when what moves was revoked or is over.
 */
export const createSessionScript: Script = defineScript({
  name: 'session:create',
  lua: `${SESSION}
local s = {key = KEYS[1], data = ARGV[2], user = ARGV[3], born = now, created = now,
  ends = now + tonumber(ARGV[6]), idle = tonumber(ARGV[5]), label = ARGV[7]}
local stamp = s.user ~= '' and stamp_of(KEYS[2]) or 0
local since = tonumber(ARGV[8])
-- After a revocation in the same µs, or by a clock that was set back since, a new session is newer.
if since == 0 then s.born = math.max(now, stamp + 1)
else
  s.born, s.created, s.ends = math.min(since, now), tonumber(ARGV[9]), tonumber(ARGV[10])
  local revoked = stamp > 0 and math.max(stamp + tonumber(ARGV[11]) - since, stamp - s.born) >= 0
  if revoked or now >= s.ends then return nil end
end
write(s)
if s.user ~= '' then enlist(KEYS[3], ARGV[4], s.ends) end
return whole(math.min(now + s.idle, s.ends))
`,
})

/** KEYS session, stamp. ARGV data, idle µs (0 = as it was), absolute µs. Reply: 1, or 0 when there is none. */
export const updateSession: Script = defineScript({
  name: 'session:update',
  lua: `${SESSION}
local s = alive(KEYS[1], KEYS[2], tonumber(ARGV[4]))
if not s then return 0 end
if s.err then return s end
s.data = ARGV[2]
if ARGV[3] ~= '0' then s.idle = tonumber(ARGV[3]) end
write(s)
return 1
`,
})

/**
 * Sessions under ids that others choose: made when absent, unless destroyed a moment ago (x).
 * KEYS session. ARGV data, user, idle µs, absolute µs, earliest since µs, 1 = in a store, where one that
 * was over a moment ago is not made either; '1' + whose it was when that was asked, and up to which µs that
 * user's are revoked. Reply: {1 stored, 1 new for this user, since µs, end µs}, or {2, 0, user, 0} when it is
 * to be taken from that user, whose stamp was not told.
 */
export const putSession: Script = defineScript({
  name: 'session:put',
  lua: `${SESSION}
local destroyed = redis.pcall('HGET', KEYS[1], 'x')
if type(destroyed) == 'table' then return destroyed end
if destroyed then return {0, 0, '0', '0'} end
local absolute, in_store = tonumber(ARGV[5]), ARGV[7] == '1'
local s = alive(KEYS[1], nil, absolute, in_store)
if not s and in_store and redis.call('HEXISTS', KEYS[1], 'd') == 1 then return {0, 0, '0', '0'} end
-- In a store: a revoked one stays dead whoever it is given to, else it could be given back after that.
if s and in_store and s.user ~= '' and s.user ~= ARGV[3] then
  if ARGV[8] ~= '1' .. s.user then return {2, 0, s.user, '0'} end
  if s.born <= tonumber(ARGV[9]) then return {0, 0, '0', '0'} end
end
local fresh = not s or s.user ~= ARGV[3]
if not s then s = {key = KEYS[1], created = now, ends = now + absolute, label = ''} end
s.over = in_store
if fresh then s.born = math.max(now, tonumber(ARGV[6])) end
s.data, s.user, s.idle = ARGV[2], ARGV[3], tonumber(ARGV[4])
write(s)
return {1, fresh and 1 or 0, whole(s.born), whole(s.ends)}
`,
})

/** KEYS index. ARGV member, end µs. */
export const enlistSession: Script = defineScript({
  name: 'session:enlist',
  lua: `${SESSION}
enlist(KEYS[1], ARGV[2], tonumber(ARGV[3]))
return 1
`,
})

/**
 * KEYS old session, old stamp, old index, new session, new stamp, new index. ARGV absolute µs, old member,
 * new member, user ('' = as it was), '1' + data or '' (as it was), '1' + whose stamp the old one is when
 * the old id is no native one. Reply: nil, or what `told` tells; 0 when it is another user's meanwhile.
 */
export const rotateSessionScript: Script = defineScript({
  name: 'session:rotate',
  lua: `${SESSION}
local own = ARGV[7] ~= ''
local s = alive(KEYS[1], KEYS[2], tonumber(ARGV[2]), own)
if not s or s.err then return s end
if own and ARGV[7] ~= '1' .. s.user then return 0 end
s.key = KEYS[4]
if ARGV[5] ~= '' and ARGV[5] ~= s.user then
  s.user, s.created, s.ends = ARGV[5], now, now + tonumber(ARGV[2])
  s.born = math.max(now, stamp_of(KEYS[5]) + 1)
end
if ARGV[6] ~= '' then s.data = string.sub(ARGV[6], 2) end
write(s)
if own then bury(KEYS[1]) else redis.call('UNLINK', KEYS[1]) end
redis.call('ZREM', KEYS[3], ARGV[3])
if s.user ~= '' then enlist(KEYS[6], ARGV[4], s.ends) end
return told(s)
`,
})

/**
 * KEYS session, stamp, index. ARGV absolute µs, member, 1 when the id is no native one. Reply: nil, or
 * what was there; it is gone then.
 */
export const takeSession: Script = defineScript({
  name: 'session:take',
  memory: 'shrink',
  lua: `${SESSION}
local own = ARGV[4] == '1'
local s = alive(KEYS[1], KEYS[2], tonumber(ARGV[2]), own)
if s and s.err then return s end
if own then bury(KEYS[1]) end
if not s then return nil end
redis.call('ZREM', KEYS[3], ARGV[3])
if not own then redis.call('UNLINK', KEYS[1]) end
return told(s)
`,
})

/** KEYS session. ARGV user ('' = whosever it is). Reply: 1 when there was one; another user's stays. */
export const destroySession: Script = defineScript({
  name: 'session:destroy',
  memory: 'shrink',
  lua: `${SESSION}
local there = redis.call('HEXISTS', KEYS[1], 'd')
if there == 1 and ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'u') ~= ARGV[2] then return 0 end
bury(KEYS[1])
return there
`,
})

/**
 * KEYS stamp, index [, session that stays]. ARGV absolute life of that session µs, its member.
 * Reply: 1 when the session stayed. DEL comes before SET, so this works when Redis is full.
 */
export const revokeSessions: Script = defineScript({
  name: 'session:revoke',
  memory: 'shrink',
  lua: `${SESSION}
local previous = stamp_of(KEYS[1])
local stays = KEYS[3] and alive(KEYS[3], KEYS[1], tonumber(ARGV[2]))
if stays and stays.err then return stays end
local stamp = math.max(now, previous + 1)
redis.call('DEL', KEYS[1])
-- The longest that any process may let a session live, whatever this one says.
redis.call('SET', KEYS[1], whole(stamp), 'PX', ${LONGEST_SESSION_MS})
redis.call('UNLINK', KEYS[2])
if not stays then return 0 end
redis.call('HSET', KEYS[3], 'b', whole(stamp + 1))
enlist(KEYS[2], ARGV[3], stays.ends)
return 1
`,
})
