import { defineEachScript, type Argument, type EachScript } from '@corral/connection'
import { LUA_FAILED, LUA_FULL, LUA_OVERFLOWS, LUA_WRONG_TYPE, wireTtl } from './script.ts'

/**
 * Adds to a counter, a bare integer. An entry that holds an integer becomes a counter and keeps its end.
 *
 * ARGV  per key: by
 *       ttl, ms; 0 = none
 *       '1' to give the ttl each time, '0' only to a counter that has no end yet
 *       the namespace's stamp, µs; entries that it kills count as absent
 *       clock skew, µs
 *       identity of a tagged entry that the caller has read and found alive, or ''
 * Returns per key
 *       {1, n}       the counter is now n; as text, for ioredis's parser of integers rounds near 2^53
 *       {2, text}    a tagged entry stands there, and its tags' stamps may lie elsewhere: the caller judges it, then
 *                    calls again with its identity, or removes it first if it is dead
 *       an error of that key alone: OOM, WRONGTYPE where no integer stands, or OVERFLOW where the count
 *       would leave 2^53; nothing is changed then
 * A lease in the way is broken.
 */
export const incrementScript: EachScript = defineEachScript({
  name: 'increment',
  argsPerKey: 6,
  lua: `${LUA_FAILED}${LUA_OVERFLOWS}
local key, by, by_text, ttl, always, stamp, skew, alive
local function replace(number, px)
  local digits = string.format('%.0f', number)
  local set
  if px > 0 then
    set = redis.pcall('SET', key, digits, 'PX', px)
  else
    set = redis.pcall('SET', key, digits)
  end
  if failed(set, 'OOM') then return ${LUA_FULL} end
  if set.err then return set end
  return {1, digits}
end

local function one()
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then
    if failed(text, 'WRONGTYPE') then return ${LUA_WRONG_TYPE} end
    return text
  end
  if text and string.sub(text, 1, 1) == '{' then
    if string.find(text, '^{"lease":"[^"]*","at":%d+}$') then return replace(by, ttl) end
    local version, at, rest = string.match(text, '^{"c":(%d+),"at":(%d+)(.*)$')
    if version and tonumber(version) > 1 then return ${LUA_WRONG_TYPE} end
    if at then
      rest = string.gsub(rest, '^,"expires":%d+', '')
      local seen = tonumber(string.match(rest, '^,"seen":%[(%d+)')) or 0
      if stamp > seen and stamp >= at - skew then return replace(by, ttl) end
      local known = alive ~= '' and string.sub(text, 1, #alive) == alive
      if not known and string.find(rest, '"tags":[', 1, true) then return {2, text} end
    end
    if #text > 4096 then return ${LUA_WRONG_TYPE} end
    local read, entry = pcall(cjson.decode, text)
    local number = read and type(entry) == 'table' and entry.value
    if type(number) ~= 'number' or number % 1 ~= 0 then return ${LUA_WRONG_TYPE} end
    if type(entry.expires) == 'number' and entry.expires * 1000 <= now then return replace(by, ttl) end
    local overflow = overflows(number, by)
    if overflow then return overflow end
    local left = redis.call('PTTL', key)
    if ttl > 0 and (always or left < 0) then left = ttl end
    return replace(number + by, left)
  end
  local overflow = text and overflows(text, by)
  if overflow then return overflow end
  local number = redis.pcall('INCRBY', key, by_text)
  if type(number) == 'table' then
    if failed(number, 'OOM') then return ${LUA_FULL} end
    if failed(number, 'not an integer') then return ${LUA_WRONG_TYPE} end
    return number
  end
  if ttl > 0 and (always or redis.call('PTTL', key) < 0) then redis.call('PEXPIRE', key, ttl) end
  return {1, string.format('%.0f', number)}
end

local results = {}
for i = 1, #KEYS do
  local first = i * 6 - 4
  key, by_text, ttl = KEYS[i], ARGV[first], tonumber(ARGV[first + 1])
  by, always = tonumber(by_text), ARGV[first + 2] == '1'
  stamp, skew, alive = tonumber(ARGV[first + 3]), tonumber(ARGV[first + 4]), ARGV[first + 5]
  results[i] = one()
end
return results
`,
})

export interface IncrementRequest {
  /** A safe integer, negative to decrement. */
  readonly by: number
  /** Infinity = no end. */
  readonly ttlMs: number
  /** 'create': the ttl is given to a counter without an end; 'always': each time. */
  readonly renew: 'create' | 'always'
  /** The namespace's stamp, µs; 0 if none. */
  readonly stamp: number
  readonly skewUs: number
  /** `entryIdentity` of a tagged entry that the caller found alive. */
  readonly alive?: string
}

export function incrementArgs(request: IncrementRequest): Argument[] {
  const { by, ttlMs, renew, stamp, skewUs, alive } = request
  return [by, wireTtl(ttlMs), renew === 'always' ? '1' : '0', stamp, skewUs, alive ?? '']
}

export type IncrementReply =
  | { readonly status: 'done'; readonly value: number }
  /** Judge this tagged entry by its tags, then call again. */
  | { readonly status: 'tagged'; readonly text: string }

export function incrementReply(raw: unknown): IncrementReply {
  const [code, detail] = raw as readonly [unknown, unknown]
  return Number(code) === 2
    ? { status: 'tagged', text: detail as string }
    : { status: 'done', value: Number(detail) }
}
