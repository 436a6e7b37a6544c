import { LATE, LUA_PRELUDE, outcomeOf, wireTtl, type Script } from './script.ts'

/**
 * Reads each key, and takes the lease of those that hold nothing.
 *
 * KEYS  1..n   data keys
 * ARGV  1      deadline, ms of server time
 *       2      token
 *       3      the lease's ttl, ms
 *       4..    per key: identity of an entry that the caller has read and found dead, which the lease
 *              may replace; '' for none
 * Returns -1 (late), or per key
 *       {2, text}      an entry stands there
 *       {1, at}        the lease is the caller's; `at` (µs) is what its value will count as loaded at
 *       {0, ms}        another holds the lease for so long
 *       {-2}           full          {-3} another type
 * Sent twice with one token it answers the same twice and takes nothing twice. A lease without expiry
 * (not ours to have written) is taken over.
 */
const lua: string = `${LUA_PRELUDE}
local token, ttl = ARGV[2], ARGV[3]
local OPENING = '{"lease":"'
local results = {}
for i = 1, #KEYS do
  local key, dead = KEYS[i], ARGV[3 + i]
  local text = redis.pcall('GET', key)
  local take = not text
  if type(text) == 'table' then
    if not failed(text, 'WRONGTYPE') then return text end
    results[i] = {-3}
  elseif text and string.sub(text, 1, #OPENING) == OPENING then
    local own = OPENING .. token .. '","at":'
    local left = redis.call('PTTL', key)
    if string.sub(text, 1, #own) == own then
      results[i] = {1, string.match(text, '(%d+)}$')}
    elseif left >= 0 then
      results[i] = {0, left}
    else
      take = true
    end
  elseif text then
    if dead == '' then
      take = false
    elseif string.sub(dead, 1, 1) == '{' then
      take = string.sub(text, 1, #dead) == dead
    else
      take = redis.sha1hex(text) == dead
    end
    if not take then results[i] = {2, text} end
  end
  if take then
    local set = redis.pcall('SET', key, OPENING .. token .. '","at":' .. stamped .. '}', 'PX', ttl)
    if failed(set, 'OOM') then
      results[i] = {-2}
    elseif set.err then
      return set
    else
      results[i] = {1, stamped}
    end
  end
end
return results
`

export interface LeaseRequest {
  readonly keys: readonly string[]
  /** Milliseconds of server time. */
  readonly deadline: number
  readonly token: string
  readonly ttlMs: number
  /** Identity of the dead entry per key, where the caller has read one. */
  readonly dead?: readonly (string | undefined)[]
}

export type LeaseReply =
  | { readonly status: 'held'; readonly at: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'entry'; readonly text: string }
  | { readonly status: 'late' | 'full' | 'wrong-type' }

export const leaseScript: Script<LeaseRequest, LeaseReply[]> = {
  name: 'lease',
  lua,
  keys: 'many',
  encode({ keys, deadline, token, ttlMs, dead }) {
    const args: (string | number)[] = [deadline, token, wireTtl(ttlMs)]
    for (let i = 0; i < keys.length; i++) args.push(dead?.[i] ?? '')
    return { keys, args }
  },
  decode(raw, call) {
    if (Number(raw) === LATE) return call.keys.map(() => ({ status: 'late' }))
    return (raw as [unknown, unknown][]).map(decodeLease)
  },
}

export function decodeLease([code, detail]: readonly [unknown, unknown?]): LeaseReply {
  switch (Number(code)) {
    case 2:
      return { status: 'entry', text: detail as string }
    case 1:
      return { status: 'held', at: Number(detail) }
    case 0:
      return { status: 'busy', remainingMs: Number(detail) }
    default:
      return { status: outcomeOf(code) as 'full' | 'wrong-type' }
  }
}
