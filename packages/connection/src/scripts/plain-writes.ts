import { defineEachScript, type EachScript } from '../script.ts'

/**
 * SET of many independent keys.
 *
 * KEYS: the keys. ARGV per key: value, PX in milliseconds (0: for ever). Returns per key `OK` or
 * the error of that key alone. Each key is set by itself; the script as a whole is not undone.
 */
export const setScript: EachScript = defineEachScript({
  name: 'set',
  argsPerKey: 2,
  lua: `
local out = {}
for i, key in ipairs(KEYS) do
  local value, px = ARGV[i * 2], ARGV[i * 2 + 1]
  if px == '0' then out[i] = redis.pcall('SET', key, value)
  else out[i] = redis.pcall('SET', key, value, 'PX', px) end
end
return out`,
})

/**
 * UNLINK of many independent keys; works while Redis is full.
 *
 * KEYS: the keys. Returns per key 1 if it was there, 0 if not.
 */
export const deleteScript: EachScript = defineEachScript({
  name: 'delete',
  argsPerKey: 0,
  memory: 'shrink',
  lua: `
local out = {}
for i, key in ipairs(KEYS) do out[i] = redis.pcall('UNLINK', key) end
return out`,
})
