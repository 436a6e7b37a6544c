import { LATE, LUA_PRELUDE, wireTtl, type Script } from './script.ts'

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

export interface StampRequest {
  readonly keys: readonly string[]
  /** Milliseconds of server time. */
  readonly deadline: number
  /** At least the longest ttl of the namespace; Infinity if anything in it lives forever. */
  readonly ttlMs: number
}

/** The stamps in µs, in the order of the keys; undefined if late. */
export type StampReply = readonly number[] | undefined

export const stampScript: Script<StampRequest, StampReply> = {
  name: 'stamp',
  lua: LUA_PRELUDE + stampLua,
  keys: 'many',
  encode({ keys, deadline, ttlMs }) {
    return { keys, args: [deadline, wireTtl(ttlMs)] }
  },
  decode(raw) {
    return Number(raw) === LATE ? undefined : (raw as unknown[]).map(Number)
  },
}
