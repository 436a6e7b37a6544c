import { defineEachScript, type Argument, type EachScript } from '@corral/connection'
import { LUA_FAILED, LUA_OVERFLOWS, LUA_WRONG_TYPE, wireTtl } from '../protocol/script.ts'
import type { StructureWrite } from './structure-store.ts'

/**
 * Every change of a hash, list or set; calls of one tick share it and run in their order.
 *
 * ARGV  per key: command, ttl in ms (0 = none), number of arguments, the arguments
 * Returns per key the command's reply, or the error of that key alone. A structure that the command
 * creates gets the ttl in the same step. Arguments go in runs of 1,000, as Lua can hand on only so
 * many at once; a multiple of two, so that the pairs of HSET stay together.
 */
const body = `${LUA_FAILED}${LUA_OVERFLOWS}
local RUN = 1000
local totals = { HSET = true, HDEL = true, SADD = true, SREM = true }
local creates = { HSET = true, HINCRBY = true, LPUSH = true, RPUSH = true, SADD = true }

local function change(key, command, first, last)
  if command == 'HINCRBY' then
    local before = redis.pcall('HGET', key, ARGV[first])
    local overflow = type(before) == 'string' and overflows(before, tonumber(ARGV[first + 1]))
    if overflow then return overflow end
  end
  local reply
  local from = first
  repeat
    local part = redis.pcall(command, key, unpack(ARGV, from, math.min(from + RUN - 1, last)))
    if type(part) == 'table' and part.err then
      if failed(part, 'not an integer') then return ${LUA_WRONG_TYPE} end
      return part
    end
    if totals[command] and reply then reply = reply + part else reply = part end
    from = from + RUN
  until from > last
  -- As text: ioredis's parser of integers rounds near 2^53.
  if command == 'HINCRBY' then return string.format('%.0f', reply) end
  return reply
end

local results = {}
local at = 2
for i, key in ipairs(KEYS) do
  local command, ttl, count = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local ends = ttl > 0 and creates[command] and redis.call('EXISTS', key) == 0
  results[i] = change(key, command, at + 3, at + 2 + count)
  if ends then redis.call('PEXPIRE', key, ttl) end
  at = at + 3 + count
end
return results
`

/** For what adds, and may be refused while Redis is full. */
const growScript: EachScript = defineEachScript({ name: 'structure', lua: body })

/** For what takes away, which works while Redis is full. */
const shrinkScript: EachScript = defineEachScript({
  name: 'structure-drop',
  memory: 'shrink',
  lua: body,
})

const shrinking: ReadonlySet<StructureWrite> = new Set([
  'HDEL',
  'LPOP',
  'RPOP',
  'LTRIM',
  'SREM',
] as const)

export function structureScript(command: StructureWrite): EachScript {
  return shrinking.has(command) ? shrinkScript : growScript
}

/** `ttlMs` may be Infinity. */
export function structureArgs(
  command: StructureWrite,
  ttlMs: number,
  args: readonly Argument[],
): Argument[] {
  return [command, wireTtl(ttlMs), args.length, ...args]
}
