import { defineEachScript, type Argument, type EachScript } from '@corral/connection'
import { LUA_FAILED, LUA_FULL, LUA_STAMPED, LUA_WRONG_TYPE, wireTtl } from './script.ts'

/**
 * Reads a key, and takes its lease if it holds nothing.
 *
 * ARGV  per key: token
 *       the lease's ttl, ms
 *       identity of an entry that the caller has read and found dead, which the lease may replace;
 *       '' for none
 * Returns per key
 *       {2, text}      an entry stands there
 *       {1, at}        the lease is the caller's; `at` (µs) is what its value will count as loaded at
 *       {0, ms}        another holds the lease for so long
 *       an error of that key alone, OOM or WRONGTYPE
 * Sent twice with one token it answers the same twice and takes nothing twice. A lease without expiry
 * (not ours to have written) is taken over.
 */
export const leaseScript: EachScript = defineEachScript({
  name: 'lease',
  argsPerKey: 3,
  lua: `${LUA_STAMPED}${LUA_FAILED}
local OPENING = '{"lease":"'
local results = {}
for i = 1, #KEYS do
  local key, token, ttl, dead = KEYS[i], ARGV[i * 3 - 1], ARGV[i * 3], ARGV[i * 3 + 1]
  local text = redis.pcall('GET', key)
  local take = not text
  if type(text) == 'table' then
    if not failed(text, 'WRONGTYPE') then return text end
    results[i] = ${LUA_WRONG_TYPE}
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
      results[i] = ${LUA_FULL}
    elseif set.err then
      return set
    else
      results[i] = {1, stamped}
    end
  end
end
return results
`,
})

/** @param dead identity of the dead entry that was read at the key, or '' */
export function leaseArgs(token: string, ttlMs: number, dead: string): Argument[] {
  return [token, wireTtl(ttlMs), dead]
}

export type LeaseReply =
  /** The caller may load; `at` in µs of server time. */
  | { readonly status: 'held'; readonly at: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'entry'; readonly text: string }

export function leaseReply(raw: unknown): LeaseReply {
  const [code, detail] = raw as readonly [unknown, unknown]
  switch (Number(code)) {
    case 2:
      return { status: 'entry', text: detail as string }
    case 1:
      return { status: 'held', at: Number(detail) }
    default:
      return { status: 'busy', remainingMs: Number(detail) }
  }
}
