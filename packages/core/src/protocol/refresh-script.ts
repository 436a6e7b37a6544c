import { defineScript, type Argument, type Script } from '@corral/connection'
import { leaseReply } from './lease-script.ts'
import { LUA_FAILED, LUA_FULL, LUA_HOLDS, LUA_STAMPED, LUA_WRONG_TYPE, wireTtl } from './script.ts'

/**
 * Takes the lease beside a stale entry, which stays readable meanwhile. The fill is then
 * a write that replaces the entry only if it is still the one read here.
 *
 * KEYS  1      data key
 *       2      its refresh lease (refreshLeaseKey)
 * ARGV  2      token
 *       3      the lease's ttl, ms
 *       4      identity of the entry that the caller has read
 * Returns
 *       {1, at}          the lease is the caller's; `at` (µs) is what its value will count as loaded at
 *       {0, ms}          another refreshes, and may for so long
 *       {2, text|false}  the key no longer holds that entry: what it holds now
 *       an error, OOM or WRONGTYPE
 */
export const refreshScript: Script = defineScript({
  name: 'refresh',
  lua: `${LUA_STAMPED}${LUA_FAILED}${LUA_HOLDS}
local same = holds(KEYS[1], ARGV[4])
if type(same) == 'table' then
  if failed(same, 'WRONGTYPE') then return ${LUA_WRONG_TYPE} end
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
if failed(set, 'OOM') then return ${LUA_FULL} end
if set.err then return set end
return {1, stamped}
`,
})

/** @param identity `entryIdentity` of the text that was read */
export function refreshArgs(token: string, ttlMs: number, identity: string): Argument[] {
  return [token, wireTtl(ttlMs), identity]
}

export type RefreshReply =
  | { readonly status: 'held'; readonly at: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'changed'; readonly text: string | null }

export function refreshReply(raw: unknown): RefreshReply {
  const reply = leaseReply(raw)
  return reply.status === 'entry' ? { status: 'changed', text: reply.text ?? null } : reply
}
