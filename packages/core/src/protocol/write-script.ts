import { defineEachScript, type Argument, type EachScript } from '@corral/connection'
import { LUA_FAILED, LUA_FULL, LUA_HOLDS, LUA_STAMPED, LUA_WRONG_TYPE, wireTtl } from './script.ts'

/**
 * Every write of entries; calls of one tick share it and run in their order.
 *
 * KEYS  1..n   the key of each operation (a key may come twice)
 * ARGV  per operation:
 *         'S<ttl>' tail          set: stores, whatever is there
 *         'F<ttl>' id at tail    fill: stores if the key still holds `id`
 *         'D'                    delete
 *         'R' id                 remove: deletes if the key still holds `id`
 *         'X<ttl>' id            extend: gives the key `ttl` if it still holds `id`
 *              ttl in ms, 0 = forever; at in µs; tail from encodeEntry; id: see LUA_HOLDS
 * Returns nothing at all when every operation was done, since a hundred answers cost as much as a
 * third of the call; else per operation
 *       1 done   0 condition failed, or nothing to delete   or its error, OOM or WRONGTYPE
 * A set counts as loaded when the script runs. Room is asked for before anything is deleted: the first write of a script
 * lifts Redis's own check for the rest of it. SETRANGE of nothing is a write that is refused when full
 * and does nothing otherwise. When full, what is refused also drops the lease in its way, so that
 * neither a waiter sleeps on it nor an older load fills behind a set.
 */
const body: string = `${LUA_STAMPED}${LUA_HOLDS}
local nowMs = math.floor(now / 1000)
local OPENING = '{"lease":"'
local call = redis.call

-- Operations of one batch mostly share their time and ttl, so the head is built once.
local head, headAt, headTtl
local function store(key, at, ttl, tail)
  if ttl ~= headTtl or at ~= headAt then
    headAt, headTtl = at, ttl
    head = '{"c":1,"at":' .. at
    if ttl ~= '0' then head = head .. ',"expires":' .. string.format('%.0f', nowMs + ttl) end
  end
  if ttl == '0' then
    call('SET', key, head .. tail)
  else
    call('SET', key, head .. tail, 'PX', ttl)
  end
  return 1
end

local function leased(key)
  return redis.pcall('GETRANGE', key, 0, #OPENING - 1) == OPENING
end

local results
local at = 2
local order, op, ttl
for i = 1, #KEYS do
  local key = KEYS[i]
  -- Mostly the same for all: an argument less each, and nothing to take apart.
  if ARGV[at] ~= order then
    order = ARGV[at]
    op, ttl = string.sub(order, 1, 1), string.sub(order, 2)
  end
  local outcome
  if op == 'S' then
    if full then
      if leased(key) then redis.call('UNLINK', key) end
      outcome = ${LUA_FULL}
    else
      outcome = store(key, stamped, ttl, ARGV[at + 1])
    end
    at = at + 2
  elseif op == 'D' then
    local lease = leased(key)
    outcome = redis.call('UNLINK', key)
    if lease then outcome = 0 end
    at = at + 1
  else
    local same = holds(key, ARGV[at + 1])
    if type(same) == 'table' then
      if not failed(same, 'WRONGTYPE') then return same end
      outcome = ${LUA_WRONG_TYPE}
    elseif not same then
      outcome = 0
    elseif op == 'R' then
      outcome = redis.call('UNLINK', key)
    elseif op == 'X' then
      outcome = redis.call('PEXPIRE', key, ttl)
    elseif full then
      if leased(key) then redis.call('UNLINK', key) end
      outcome = ${LUA_FULL}
    else
      outcome = store(key, ARGV[at + 2], ttl, ARGV[at + 3])
    end
    at = at + (op == 'F' and 4 or 2)
  end
  if not results and outcome ~= 1 then
    results = {}
    for before = 1, i - 1 do results[before] = 1 end
  end
  if results then results[i] = outcome end
end
return results or {}
`

/** For what stores (set, fill) and what goes with it in one command. */
export const writeScript: EachScript = defineEachScript({
  name: 'write',
  lua: `${LUA_FAILED}
local full = failed(redis.pcall('SETRANGE', KEYS[1], 0, ''), 'OOM')${body}`,
})

/** For what only takes away or prolongs; works while Redis is full. */
export const dropScript: EachScript = defineEachScript({
  name: 'drop',
  memory: 'shrink',
  lua: `${LUA_FAILED}
local full = false${body}`,
})

/** `tail` from encodeEntry; `ttlMs` may be Infinity. */
export function setArgs(ttlMs: number, tail: string): Argument[] {
  return [`S${wireTtl(ttlMs)}`, tail]
}

/** `identity`: leaseText of the lease taken, or entryIdentity of the entry that is refreshed; `at` from the lease. */
export function fillArgs(identity: string, ttlMs: number, at: number, tail: string): Argument[] {
  return [`F${wireTtl(ttlMs)}`, identity, at, tail]
}

export const deleteArgs: readonly Argument[] = ['D']

/** Gives a lease back, or removes garbage: the key goes only if it still holds `identity`. */
export function removeArgs(identity: string): Argument[] {
  return ['R', identity]
}

/** Prolongs a lease. */
export function extendArgs(identity: string, ttlMs: number): Argument[] {
  return [`X${wireTtl(ttlMs)}`, identity]
}

/** Whether an operation was done; false: its condition did not hold, or there was nothing to delete. */
export function wasDone(reply: unknown): boolean {
  return reply === undefined || reply === 1
}
