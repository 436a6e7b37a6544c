import { LATE, LUA_PRELUDE, type Script } from './script.ts'

/**
 * Removes what a namespace's stamp has killed, of the keys that a SCAN returned.
 *
 * KEYS  1..n   keys of one slot
 * ARGV  1      deadline, ms of server time
 *       2      the stamp, µs
 *       3      clock skew, µs (0 on a single server)
 *       4      prefix that a key must have to be touched
 * Returns -1 (late), or how many keys went
 * The rule is the reader's own (stampKills): what would still be served stays. Leases older than the stamp go, and with them
 * the fills that wait behind. What carries no time (counters, structures, foreign entries) goes as well.
 */
const lua: string = `${LUA_PRELUDE}
local stamp, skew, prefix = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local removed = 0
for i = 1, #KEYS do
  local key = KEYS[i]
  if string.sub(key, 1, #prefix) == prefix then
    local head = redis.pcall('GETRANGE', key, 0, 127)
    local dead = true
    if type(head) == 'string' then
      local at, rest = string.match(head, '^{"c":%d+,"at":(%d+)(.*)$')
      at = at or string.match(head, '^{"lease":"[^"]*","at":(%d+)}$')
      if at then
        rest = string.gsub(rest or '', '^,"expires":%d+', '')
        local seen = tonumber(string.match(rest, '^,"seen":%[(%d+)')) or 0
        dead = stamp > seen and stamp >= at - skew
      end
    end
    if dead then removed = removed + redis.call('UNLINK', key) end
  end
end
return removed
`

export interface SweepRequest {
  readonly keys: readonly string[]
  /** Milliseconds of server time. */
  readonly deadline: number
  /** The namespace's stamp, µs. */
  readonly stamp: number
  readonly skewUs: number
  /** `<namespace>::`; ACL key patterns do not filter SCAN, so it is checked again. */
  readonly prefix: string
}

/** How many keys went; undefined if late. */
export type SweepReply = number | undefined

export const sweepScript: Script<SweepRequest, SweepReply> = {
  name: 'sweep',
  lua,
  keys: 'many',
  encode({ keys, deadline, stamp, skewUs, prefix }) {
    return { keys, args: [deadline, stamp, skewUs, prefix] }
  },
  decode(raw) {
    return Number(raw) === LATE ? undefined : Number(raw)
  },
}
