import { defineEachScript, type EachScript } from '@corral/connection'

/** SET with PX of many keys, for the rows that measure the connection without a cache above it. */
export const setManyScript: EachScript = defineEachScript({
  name: 'bench-set',
  argsPerKey: 2,
  lua: `
local out = {}
for i, key in ipairs(KEYS) do
  out[i] = redis.pcall('SET', key, ARGV[i * 2], 'PX', ARGV[i * 2 + 1])
end
return out`,
})
