import { defineEachScript, type EachScript } from '@corral/connection'

/**
 * Stores entries; calls of one tick share it.
 *
 * ARGV per key: ttl in ms (0: no end), `1` to leave another type than a string alone, the entry's
 * tail, before which the script puts its times by the server's clock. Returns per key `OK` or the
 * error of that key alone.
 */
export const storeScript: EachScript = defineEachScript({
  name: 'store',
  argsPerKey: 3,
  lua: `
local head = '{"c":1,"at":' .. string.format('%.0f', now)
local nowMs = math.floor(now / 1000)
local lastTtl, dated
local out = {}
for i, key in ipairs(KEYS) do
  local at = 3 * i - 1
  local ttl, tail = ARGV[at], ARGV[at + 2]
  local kind = 'string'
  if ARGV[at + 1] == '1' then kind = redis.call('TYPE', key).ok end
  if kind ~= 'string' and kind ~= 'none' then
    out[i] = redis.error_reply('WRONGTYPE another type stands at the key')
  elseif ttl == '0' then
    out[i] = redis.pcall('SET', key, head .. tail)
  else
    if ttl ~= lastTtl then
      lastTtl, dated = ttl, head .. string.format(',"expires":%.0f', nowMs + ttl)
    end
    out[i] = redis.pcall('SET', key, dated .. tail, 'PX', ttl)
  end
end
return out`,
})

/** Deletes entries; works while Redis is full. Returns per key 1 if it was there, 0 if not. */
export const removeScript: EachScript = defineEachScript({
  name: 'remove',
  argsPerKey: 0,
  memory: 'shrink',
  lua: `
local out = {}
for i, key in ipairs(KEYS) do out[i] = redis.pcall('UNLINK', key) end
return out`,
})
