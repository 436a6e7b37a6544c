import { decodeLease } from './lease-script.ts'
import { LATE, LUA_HOLDS, LUA_PRELUDE, wireTtl, type Script } from './script.ts'

/**
 * Takes the lease beside a stale entry, which stays readable meanwhile. The fill is then
 * a write that replaces the entry only if it is still the one read here.
 *
 * KEYS  1      data key
 *       2      its refresh lease (refreshLeaseKey)
 * ARGV  1      deadline, ms of server time
 *       2      token
 *       3      the lease's ttl, ms
 *       4      identity of the entry that the caller has read
 * Returns -1 (late), or
 *       {1, at}          the lease is the caller's; `at` (µs) is what its value will count as loaded at
 *       {0, ms}          another refreshes, and may for so long
 *       {2, text|false}  the key no longer holds that entry: what it holds now
 *       {-2}             full          {-3} another type
 */
const lua: string = `${LUA_PRELUDE}${LUA_HOLDS}
local same = holds(KEYS[1], ARGV[4])
if type(same) == 'table' then
  if failed(same, 'WRONGTYPE') then return {-3} end
  return same
end
if not same then return {2, redis.call('GET', KEYS[1])} end
local held = redis.pcall('GET', KEYS[2])
if type(held) == 'string' then
  local left = redis.call('PTTL', KEYS[2])
  local own = '{"lease":"' .. ARGV[2] .. '","at":'
  if string.sub(held, 1, #own) == own then return {1, string.match(held, '(%d+)}$')} end
  if left >= 0 then return {0, left} end
end
local set = redis.pcall('SET', KEYS[2], '{"lease":"' .. ARGV[2] .. '","at":' .. stamped .. '}', 'PX', ARGV[3])
if failed(set, 'OOM') then return {-2} end
if set.err then return set end
return {1, stamped}
`

export interface RefreshRequest {
  readonly key: string
  /** `refreshLeaseKey(key)`. */
  readonly leaseKey: string
  /** Milliseconds of server time. */
  readonly deadline: number
  readonly token: string
  readonly ttlMs: number
  /** `entryIdentity` of the text that was read. */
  readonly identity: string
}

export type RefreshReply =
  | { readonly status: 'held'; readonly at: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'changed'; readonly text: string | undefined }
  | { readonly status: 'late' | 'full' | 'wrong-type' }

export const refreshScript: Script<RefreshRequest, RefreshReply> = {
  name: 'refresh',
  lua,
  keys: 2,
  encode({ key, leaseKey, deadline, token, ttlMs, identity }) {
    return { keys: [key, leaseKey], args: [deadline, token, wireTtl(ttlMs), identity] }
  },
  decode(raw) {
    if (Number(raw) === LATE) return { status: 'late' }
    const reply = decodeLease(raw as [unknown, unknown])
    if (reply.status !== 'entry') return reply
    return { status: 'changed', text: reply.text ?? undefined }
  },
}
