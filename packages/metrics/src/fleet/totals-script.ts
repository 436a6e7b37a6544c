import { defineScript, type Script } from '@corral/connection'

/** What is added up across processes. */
export const totalNames = ['hits', 'misses', 'nearHits'] as const

export type TotalName = (typeof totalNames)[number]

/**
 * Brings the totals up to what one process has counted.
 *
 * KEYS: the totals; what is in them of this process. ARGV: so many ms the latter is kept; for each
 * name what the process knows to be in the totals; for each name what it has counted in all.
 *
 * It sends what it has counted in all, not what came since: sent twice, late or after a lost reply
 * it changes nothing. What the process knows itself only counts where the key was lost.
 */
export const totalsScript: Script = defineScript({
  name: 'totals',
  lua: `
local names = {${totalNames.map((name) => `'${name}'`).join(', ')}}
local known = redis.call('HMGET', KEYS[2], unpack(names))
for i, name in ipairs(names) do
  local before = tonumber(known[i] or ARGV[2 + i])
  local counted = ARGV[2 + #names + i]
  if tonumber(counted) > before then
    redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', tonumber(counted) - before))
    redis.call('HSET', KEYS[2], name, counted)
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1`,
})
