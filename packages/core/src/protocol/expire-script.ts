import { defineEachScript, type Argument, type EachScript } from '@corral/connection'
import { LUA_FAILED, LUA_FULL, wireTtl } from './script.ts'

/**
 * Gives what stands at a key a new end, in Redis and in the text.
 *
 * ARGV  per key: ttl, ms; 0 = forever
 * Returns per key 1 done, 0 nothing there (a lease is nothing; a later format is left alone), or OOM.
 * `at` stays, so no stamp is outrun. An entry is fresh for the ttl; the stale share at its end keeps
 * its length and comes on top. Counters and structures have no text to change.
 */
export const expireScript: EachScript = defineEachScript({
  name: 'expire',
  argsPerKey: 1,
  lua: `${LUA_FAILED}
local key, ttl
local function only_expiry()
  if ttl > 0 then return redis.call('PEXPIRE', key, ttl) end
  redis.call('PERSIST', key)
  return 1
end

local function rewrite(head, rest)
  local set
  if ttl > 0 then
    local ends = ',"expires":' .. string.format('%.0f', math.floor(now / 1000) + ttl)
    set = redis.pcall('SET', key, head .. ends .. rest, 'PX', ttl)
  else
    set = redis.pcall('SET', key, head .. rest)
  end
  if failed(set, 'OOM') then return ${LUA_FULL} end
  if set.err then return set end
  return 1
end

local function one()
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
    local rest = old or head
    local _, seen = string.find(text, '^,"seen":%[[%d,]*%]', rest + 1)
    local stale = string.match(text, '^,"h":%d+,"stale":(%d+)', (seen or rest) + 1)
    if stale and ttl > 0 then ttl = ttl + stale end
    return rewrite(string.sub(text, 1, head), string.sub(text, rest + 1))
  end
  if string.sub(text, 1, 9) == '{"value":' then
    local body = string.match(text, '^(.*),"expires":%d+}$') or string.match(text, '^(.*)}$')
    if body then return rewrite(body, '}') end
  end
  return 0
end

local results = {}
for i = 1, #KEYS do
  key, ttl = KEYS[i], tonumber(ARGV[i + 1])
  results[i] = one()
end
return results
`,
})

/** `ttlMs` may be Infinity. */
export function expireArgs(ttlMs: number): Argument[] {
  return [wireTtl(ttlMs)]
}
