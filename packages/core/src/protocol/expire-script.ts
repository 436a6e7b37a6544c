import { LUA_PRELUDE, outcomeOf, wireTtl, type Outcome, type Script } from './script.ts'

/**
 * Gives what stands at a key a new end, in Redis and in the text.
 *
 * KEYS  1      data key
 * ARGV  1      deadline, ms of server time
 *       2      ttl, ms; 0 = forever
 * Returns 1 done, 0 nothing there (a lease is nothing; a later format is left alone), -1 late, -2 full
 * `at` stays, so no stamp is outrun; the stale share at the end keeps its length. Counters and structures have no text to change.
 */
const lua: string = `${LUA_PRELUDE}
local key, ttl = KEYS[1], tonumber(ARGV[2])
local ends = ttl > 0 and ',"expires":' .. string.format('%.0f', math.floor(now / 1000) + ttl) or ''

local function only_expiry()
  if ttl > 0 then return redis.call('PEXPIRE', key, ttl) end
  redis.call('PERSIST', key)
  return 1
end

local function rewrite(text)
  local set
  if ttl > 0 then
    set = redis.pcall('SET', key, text, 'PX', ttl)
  else
    set = redis.pcall('SET', key, text)
  end
  if failed(set, 'OOM') then return -2 end
  if set.err then return set end
  return 1
end

local text = redis.pcall('GET', key)
if type(text) == 'table' then
  if failed(text, 'WRONGTYPE') then return only_expiry() end
  return text
end
if not text then return 0 end
if string.find(text, '^-?%d+$') then return only_expiry() end
local _, head = string.find(text, '^{"c":1,"at":%d+')
if head then
  local _, old = string.find(text, '^,"expires":%d+', head + 1)
  return rewrite(string.sub(text, 1, head) .. ends .. string.sub(text, (old or head) + 1))
end
if string.sub(text, 1, 9) == '{"value":' then
  local body = string.match(text, '^(.*),"expires":%d+}$') or string.match(text, '^(.*)}$')
  if body then return rewrite(body .. ends .. '}') end
end
return 0
`

export interface ExpireRequest {
  readonly key: string
  /** Milliseconds of server time. */
  readonly deadline: number
  /** Infinity = forever. */
  readonly ttlMs: number
}

export const expireScript: Script<ExpireRequest, Outcome> = {
  name: 'expire',
  lua,
  keys: 1,
  encode({ key, deadline, ttlMs }) {
    return { keys: [key], args: [deadline, wireTtl(ttlMs)] }
  },
  decode: outcomeOf,
}
