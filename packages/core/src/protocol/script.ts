/**
 * A Lua script with the two ends of its wire contract. Scripts are constants: whatever varies travels in
 * KEYS and ARGV. Every key of one call lies in one slot, and nothing outside KEYS is touched.
 *
 * A script runs whole or not at all with respect to every other command. One that comes after its
 * deadline (server time) writes nothing. A full server (OOM under noeviction) never shows as an error
 * reply but as an outcome, and no script stores anything once memory is over the limit at its start.
 */
export interface Script<Request, Reply> {
  readonly name: string
  readonly lua: string
  /** How many keys a call takes; 'many' = 1 to MAX_KEYS. */
  readonly keys: number | 'many'
  encode(request: Request): ScriptCall
  /** Turns Redis's reply into the script's own; the call tells how many results are due. */
  decode(raw: unknown, call: ScriptCall): Reply
}

export interface ScriptCall {
  readonly keys: readonly string[]
  readonly args: readonly (string | number)[]
}

/** Most keys in one call, so that a script stays well under a millisecond. */
export const MAX_KEYS = 100

/** What became of one key. Numbers on the wire; the same in every script. */
export type Outcome =
  /** Done: stored, removed, extended, taken. */
  | 'done'
  /** The condition did not hold (lease gone, entry changed, nothing there); nothing was written. */
  | 'lost'
  /** The script came after its deadline; nothing was written. */
  | 'late'
  /** Redis is full; nothing was stored. */
  | 'full'
  /** The key holds another type (or no integer, for counters); it was left alone. */
  | 'wrong-type'

const OUTCOMES: ReadonlyMap<number, Outcome> = new Map<number, Outcome>([
  [1, 'done'],
  [0, 'lost'],
  [-1, 'late'],
  [-2, 'full'],
  [-3, 'wrong-type'],
])

export const LATE = -1

export function outcomeOf(raw: unknown): Outcome {
  const outcome = OUTCOMES.get(Number(raw))
  if (outcome === undefined) throw new TypeError(`unexpected outcome from a script: ${typeof raw}`)
  return outcome
}

/** A time to live as PX takes it; 0 on the wire = forever. */
export function wireTtl(ttlMs: number): number {
  return ttlMs === Infinity ? 0 : Math.max(1, Math.ceil(ttlMs))
}

/** What a script says of one key that the server has no room for, and of one that holds another type. */
export const LUA_FULL = "redis.error_reply('OOM the server is at its maxmemory')"
export const LUA_WRONG_TYPE = "redis.error_reply('WRONGTYPE another type stands at the key')"

/** `stamped`: server time as text. */
export const LUA_STAMPED: string = `
local stamped = string.format('%.0f', now)`

/** `failed(reply, word)`: whether a pcall gave an error with this word. */
export const LUA_FAILED: string = `
local function failed(reply, word)
  return type(reply) == 'table' and reply.err and string.find(reply.err, word, 1, true) ~= nil
end`

/**
 * First lines of every mutating script: `now` (server time, µs), the refusal of late calls, and
 * the two tests on error tables. ARGV[1] is the deadline in milliseconds of server time.
 */
export const LUA_PRELUDE: string = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now > ARGV[1] * 1000 then return -1 end${LUA_STAMPED}${LUA_FAILED}
`

/**
 * `holds(key, id)`: whether the key still holds what the caller has read. An id that begins with a brace is the
 * beginning of the text (a whole lease, or the head of an entry), any other the SHA-1 of the whole.
 * Returns an error table for a key of another type.
 */
export const LUA_HOLDS: string = `
local function holds(key, id)
  if string.sub(id, 1, 1) == '{' then
    local head = redis.pcall('GETRANGE', key, 0, #id - 1)
    if type(head) == 'table' then return head end
    return head == id
  end
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then return text end
  return text ~= false and redis.sha1hex(text) == id
end
`
