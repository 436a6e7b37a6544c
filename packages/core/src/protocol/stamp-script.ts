import { defineScript, type Argument, type Script } from '@corral/connection'
import { wireTtl } from './script.ts'

/**
 * Invalidates tags or a namespace: moves stamps to max(previous + 1, server time in µs).
 *
 * KEYS  1..n   stamp keys of one namespace
 * ARGV  1      deadline
 *       2      how long the stamps must stand, ms; 0 = forever. A stamp never loses life by a new call.
 *       3      a stamp that the new ones must exceed, µs; 0 or nothing = none
 * Returns {stamp, …}
 * Each DEL comes before its SET, so this works when Redis is full; a stamp is as large as the one it replaces.
 */
export const stampLua: string = `
local least = math.max(now, (tonumber(ARGV[3]) or 0) + 1)
local fresh = string.format('%.0f', least)
local stamps = {}
for i = 1, #KEYS do
  local key = KEYS[i]
  local previous = redis.pcall('GET', key)
  previous = type(previous) == 'string' and tonumber(previous) or 0
  local stamp = fresh
  if previous >= least and previous < 9007199254740991 then stamp = string.format('%.0f', previous + 1) end
  local ttl = tonumber(ARGV[2])
  local left = redis.call('PTTL', key)
  redis.call('DEL', key)
  if ttl == 0 or left == -1 then
    redis.call('SET', key, stamp)
  else
    redis.call('SET', key, stamp, 'PX', math.max(ttl, left))
  end
  stamps[i] = stamp
end
return stamps
`

/** For `connection.script`, so that no write of the same tick overtakes it. */
export const stampScript: Script = defineScript({ name: 'stamp', memory: 'shrink', lua: stampLua })

/** @param ttlMs at least the longest ttl of the namespace; Infinity if anything in it lives forever */
export function stampArgs(ttlMs: number, above: number): Argument[] {
  return [wireTtl(ttlMs), above]
}
