import { defineScript, type Script } from '@corral/connection'

/** A key's stamp; 0 for none, and for what is none: inf, nan, and numbers without a next one. */
const stampAt = `
local function stampAt(key)
  local text = redis.pcall('GET', key)
  local stamp = type(text) == 'string' and tonumber(text) or 0
  return stamp > 0 and stamp < ${Number.MAX_SAFE_INTEGER} and stamp or 0
end
`

/**
 * Revokes one key: moves its stamp, and the newest of the namespace, to max(newest + 1, server time).
 *
 * KEYS  1      newest stamp of the namespace; stands without end
 *       2      stamp of what is revoked
 * ARGV  1      deadline
 *       2      how long the stamp must stand, ms; a stamp never loses life by a new revocation
 * Returns the stamp. Each DEL comes before its SET, so that this works while Redis is full.
 */
export const revokeScript: Script = defineScript({
  name: 'revoke',
  memory: 'shrink',
  lua: `${stampAt}
local stamp = math.max(now, stampAt(KEYS[1]) + 1, stampAt(KEYS[2]) + 1)
local text = string.format('%.0f', stamp)
local left = redis.call('PTTL', KEYS[2])
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[1], text)
if left == -1 then
  redis.call('SET', KEYS[2], text)
else
  redis.call('SET', KEYS[2], text, 'PX', math.max(tonumber(ARGV[2]), left))
end
return text
`,
})

/**
 * Gives the namespace its first stamp, or one in the place of what is none. Without one, what is found out now could not be told from
 * what was found out before revocations whose newest stamp was lost.
 *
 * KEYS  1      newest stamp of the namespace
 * ARGV  1      deadline
 * Returns the newest stamp.
 */
export const beginScript: Script = defineScript({
  name: 'revoke-begin',
  memory: 'shrink',
  lua: `${stampAt}
local stamp = stampAt(KEYS[1])
if stamp > 0 then return string.format('%.0f', stamp) end
local text = string.format('%.0f', now)
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], text)
return text
`,
})
