import {
  LATE,
  LUA_HOLDS,
  LUA_PRELUDE,
  outcomeOf,
  wireTtl,
  type Outcome,
  type Script,
} from './script.ts'

/**
 * Every write of entries: up to 100 operations on keys of one slot, in the order given.
 *
 * KEYS  1..n   the key of each operation (a key may come twice)
 * ARGV  1      deadline, ms of server time, of all of them
 *       2      '1' if any operation stores something, else '0'
 *       3..    per operation:
 *         'S' ttl tail           set: stores, whatever is there
 *         'F' id ttl at tail     fill: stores if the key still holds `id`
 *         'D'                    delete
 *         'R' id                 remove: deletes if the key still holds `id`
 *         'X' id ttl             extend: gives the key `ttl` if it still holds `id`
 *              ttl in ms, 0 = forever; at in µs; tail from encodeEntry; id: see LUA_HOLDS
 * Returns -1 (late), or {now (µs), outcome, …} with per operation
 *       1 done   0 condition failed, or nothing to delete   -2 full   -3 another type
 * A set counts as loaded when the script runs. Room is asked for before anything is deleted: the first write of a script
 * lifts Redis's own check for the rest of it. SETRANGE of nothing is a write that is refused when full
 * and does nothing otherwise. When full, what is refused also drops the lease in its way, so that
 * neither a waiter sleeps on it nor an older load fills behind a set.
 */
const lua: string = `${LUA_PRELUDE}${LUA_HOLDS}
local full = ARGV[2] == '1' and failed(redis.pcall('SETRANGE', KEYS[1], 0, ''), 'OOM')
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

local results = {now}
local at = 3
for i = 1, #KEYS do
  local key, op = KEYS[i], ARGV[at]
  local outcome
  if op == 'S' then
    if full then
      if leased(key) then redis.call('UNLINK', key) end
      outcome = -2
    else
      outcome = store(key, stamped, ARGV[at + 1], ARGV[at + 2])
    end
    at = at + 3
  elseif op == 'D' then
    local lease = leased(key)
    outcome = redis.call('UNLINK', key)
    if lease then outcome = 0 end
    at = at + 1
  else
    local same = holds(key, ARGV[at + 1])
    if type(same) == 'table' then
      if not failed(same, 'WRONGTYPE') then return same end
      outcome = -3
    elseif not same then
      outcome = 0
    elseif op == 'R' then
      outcome = redis.call('UNLINK', key)
    elseif op == 'X' then
      outcome = redis.call('PEXPIRE', key, ARGV[at + 2])
    elseif full then
      if leased(key) then redis.call('UNLINK', key) end
      outcome = -2
    else
      outcome = store(key, ARGV[at + 3], ARGV[at + 2], ARGV[at + 4])
    end
    at = at + (op == 'F' and 5 or op == 'X' and 3 or 2)
  end
  results[i + 1] = outcome
end
return results
`

export type WriteOperation =
  /** `tail` from encodeEntry; `ttlMs` may be Infinity. */
  | { readonly op: 'set'; readonly key: string; readonly ttlMs: number; readonly tail: string }
  /** `identity`: leaseText of the lease taken, or entryIdentity of the entry that is refreshed; `at` from the lease. */
  | {
      readonly op: 'fill'
      readonly key: string
      readonly identity: string
      readonly ttlMs: number
      readonly at: number
      readonly tail: string
    }
  /** 'done' if there was an entry, 'lost' if not; the key is gone either way. */
  | { readonly op: 'delete'; readonly key: string }
  /** Gives a lease back, or removes garbage: the key goes only if it still holds `identity`. */
  | { readonly op: 'remove'; readonly key: string; readonly identity: string }
  /** Prolongs a lease. */
  | {
      readonly op: 'extend'
      readonly key: string
      readonly identity: string
      readonly ttlMs: number
    }

export interface WriteRequest {
  /** Milliseconds of server time; operations with different deadlines go in different calls. */
  readonly deadline: number
  readonly operations: readonly WriteOperation[]
}

export interface WriteReply {
  /** Server time in µs when the script ran, which is `loadedAt` of what was set; undefined if late. */
  readonly at: number | undefined
  /** One per operation. */
  readonly outcomes: readonly Outcome[]
}

export const writeScript: Script<WriteRequest, WriteReply> = {
  name: 'write',
  lua,
  keys: 'many',
  encode({ deadline, operations }) {
    const keys: string[] = []
    const args: (string | number)[] = [deadline, '0']
    for (const operation of operations) {
      keys.push(operation.key)
      if (pushOperation(args, operation)) args[1] = '1'
    }
    return { keys, args }
  },
  decode(raw, call) {
    if (Number(raw) === LATE) return { at: undefined, outcomes: call.keys.map(() => 'late') }
    const [at, ...outcomes] = raw as unknown[]
    return { at: Number(at), outcomes: outcomes.map(outcomeOf) }
  },
}

/** Returns whether the operation stores something. */
function pushOperation(args: (string | number)[], operation: WriteOperation): boolean {
  switch (operation.op) {
    case 'set':
      args.push('S', wireTtl(operation.ttlMs), operation.tail)
      return true
    case 'fill':
      args.push('F', operation.identity, wireTtl(operation.ttlMs), operation.at, operation.tail)
      return true
    case 'delete':
      args.push('D')
      return false
    case 'remove':
      args.push('R', operation.identity)
      return false
    case 'extend':
      args.push('X', operation.identity, wireTtl(operation.ttlMs))
      return false
  }
}
