import { LATE, LUA_PRELUDE, outcomeOf, wireTtl, type Script } from './script.ts'

/**
 * Adds to a counter, a bare integer. An entry that holds an integer becomes a counter and keeps its end.
 *
 * KEYS  1      data key
 * ARGV  1      deadline, ms of server time
 *       2      by
 *       3      ttl, ms; 0 = none
 *       4      '1' to give the ttl each time, '0' only to a counter that has no end yet
 *       5      the namespace's stamp, µs; entries that it kills count as absent
 *       6      clock skew, µs
 *       7      identity of a tagged entry that the caller has read and found alive, or ''
 * Returns -1 (late), -2 (full), -3 (no integer there), or
 *       {1, n}       the counter is now n
 *       {2, text}    a tagged entry stands there, and its tags' stamps may lie elsewhere: the caller judges it, then
 *                    calls again with its identity, or removes it first if it is dead
 * A lease in the way is broken. Beyond 2^53 nothing is converted.
 */
const lua: string = `${LUA_PRELUDE}
local key, by, ttl, always = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local text = redis.pcall('GET', key)
if type(text) == 'table' then
  if failed(text, 'WRONGTYPE') then return -3 end
  return text
end

local function replace(number, px)
  local digits = string.format('%.0f', number)
  local set
  if px > 0 then
    set = redis.pcall('SET', key, digits, 'PX', px)
  else
    set = redis.pcall('SET', key, digits)
  end
  if failed(set, 'OOM') then return -2 end
  if set.err then return set end
  return {1, digits}
end

if text and string.sub(text, 1, 1) == '{' then
  if string.find(text, '^{"lease":"[^"]*","at":%d+}$') then return replace(by, ttl) end
  local version, at, rest = string.match(text, '^{"c":(%d+),"at":(%d+)(.*)$')
  if version and tonumber(version) > 1 then return -3 end
  if at then
    rest = string.gsub(rest, '^,"expires":%d+', '')
    local stamp, seen = tonumber(ARGV[5]), tonumber(string.match(rest, '^,"seen":%[(%d+)')) or 0
    if stamp > seen and stamp >= at - ARGV[6] then return replace(by, ttl) end
    local known = ARGV[7] ~= '' and string.sub(text, 1, #ARGV[7]) == ARGV[7]
    if not known and string.find(rest, '"tags":[', 1, true) then return {2, text} end
  end
  if #text > 4096 then return -3 end
  local read, entry = pcall(cjson.decode, text)
  local number = read and type(entry) == 'table' and entry.value
  if type(number) ~= 'number' or number % 1 ~= 0 then return -3 end
  if math.abs(number + by) > 9007199254740991 then return -3 end
  if type(entry.expires) == 'number' and entry.expires * 1000 <= now then return replace(by, ttl) end
  local left = redis.call('PTTL', key)
  if ttl > 0 and (always or left < 0) then left = ttl end
  return replace(number + by, left)
end

local number = redis.pcall('INCRBY', key, ARGV[2])
if type(number) == 'table' then
  if failed(number, 'OOM') then return -2 end
  if failed(number, 'not an integer') then return -3 end
  return number
end
if ttl > 0 and (always or redis.call('PTTL', key) < 0) then redis.call('PEXPIRE', key, ttl) end
return {1, number}
`

export interface IncrementRequest {
  readonly key: string
  /** Milliseconds of server time. */
  readonly deadline: number
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

export type IncrementReply =
  | { readonly status: 'done'; readonly value: number }
  /** Judge this tagged entry by its tags, then call again. */
  | { readonly status: 'tagged'; readonly text: string }
  | { readonly status: 'late' | 'full' | 'wrong-type' }

export const incrementScript: Script<IncrementRequest, IncrementReply> = {
  name: 'increment',
  lua,
  keys: 1,
  encode({ key, deadline, by, ttlMs, renew, stamp, skewUs, alive }) {
    const always = renew === 'always' ? '1' : '0'
    return { keys: [key], args: [deadline, by, wireTtl(ttlMs), always, stamp, skewUs, alive ?? ''] }
  },
  decode(raw) {
    if (!Array.isArray(raw)) {
      return { status: Number(raw) === LATE ? 'late' : (outcomeOf(raw) as 'full' | 'wrong-type') }
    }
    const [code, detail] = raw as [unknown, unknown]
    return Number(code) === 2
      ? { status: 'tagged', text: detail as string }
      : { status: 'done', value: Number(detail) }
  },
}
