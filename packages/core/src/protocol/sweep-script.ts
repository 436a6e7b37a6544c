import { defineEachScript, type Argument, type EachScript } from '@corral/connection'

/**
 * Removes what a namespace's stamp has killed, of the keys that a SCAN returned.
 *
 * KEYS  1..n   keys of one slot
 * ARGV  1      deadline
 *       per key, so that calls may share it:
 *       the stamp, µs
 *       clock skew, µs (0 on a single server)
 *       prefix that a key must have to be touched
 *       '1' to remove what carries no time as well (counters, structures, foreign entries), else '0'
 * Returns per key 1 if it went, else 0
 * The rule is the reader's own (stampKills): what would still be served stays. Leases older than the stamp go, and with them
 * the fills that wait behind.
 */
export const sweepLua: string = `
local results = {}
for i = 1, #KEYS do
  local key, first = KEYS[i], 4 * i - 2
  local stamp, skew, prefix = tonumber(ARGV[first]), tonumber(ARGV[first + 1]), ARGV[first + 2]
  results[i] = 0
  if string.sub(key, 1, #prefix) == prefix then
    local head = redis.pcall('GETRANGE', key, 0, 127)
    local dead = ARGV[first + 3] == '1'
    if type(head) == 'string' then
      local at, rest = string.match(head, '^{"c":%d+,"at":(%d+)(.*)$')
      at = at or string.match(head, '^{"lease":"[^"]*","at":(%d+)}$')
      if at then
        rest = string.gsub(rest or '', '^,"expires":%d+', '')
        local seen = tonumber(string.match(rest, '^,"seen":%[(%d+)')) or 0
        dead = stamp > seen and stamp >= at - skew
      end
    end
    if dead then results[i] = redis.call('UNLINK', key) end
  end
end
return results
`

/** How many arguments {@link sweepArgs} gives. */
export const SWEEP_ARGS = 4

export const sweepScript: EachScript = defineEachScript({
  name: 'sweep',
  argsPerKey: SWEEP_ARGS,
  memory: 'shrink',
  lua: sweepLua,
})

/**
 * @param stamp of the namespace, µs
 * @param prefix ACL key patterns do not filter SCAN, so it is checked again
 * @param timeless whether what carries no time goes as well
 */
export function sweepArgs(
  stamp: number,
  skewUs: number,
  prefix: string,
  timeless: boolean,
): Argument[] {
  return [stamp, skewUs, prefix, timeless ? '1' : '0']
}
