import { defineEachScript, type EachScript } from '@corral/connection'

/**
 * SET with PX of many keys, for the rows that measure the connection without a cache above it.
 * Answers nothing when every key was set, as Corral's own scripts do.
 */
export const setManyScript: EachScript = defineEachScript({
  name: 'bench-set',
  argsPerKey: 2,
  lua: `
local set, keys, argv = redis.call, KEYS, ARGV
for i = 1, #keys do set('SET', keys[i], argv[i * 2], 'PX', argv[i * 2 + 1]) end
return {}`,
})
