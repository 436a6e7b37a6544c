import { defineEachScript, type EachScript } from '../script.ts'

/**
 * SET of many independent keys.
 *
 * KEYS: the keys. ARGV per key: value, PX in milliseconds (0: for ever). Each key is set by itself;
 * the script as a whole is not undone. Returns nothing at all when every key was set, since a
 * hundred times OK costs client and server as much as a third of the call; otherwise per key what
 * Redis said of it.
 */
export const setScript: EachScript = defineEachScript({
  name: 'set',
  argsPerKey: 2,
  lua: `
local set, keys, argv = redis.pcall, KEYS, ARGV
local out
for i = 1, #keys do
  local px, said = argv[i * 2 + 1], nil
  if px == '0' then said = set('SET', keys[i], argv[i * 2])
  else said = set('SET', keys[i], argv[i * 2], 'PX', px) end
  if out == nil and said.err then
    out = {}
    for before = 1, i - 1 do out[before] = 1 end
  end
  if out then out[i] = said end
end
return out or {}`,
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
