/** Most keys in one call, so that a script stays well under a millisecond. */
export const MAX_KEYS = 100

/** A time to live as PX takes it; 0 on the wire = forever. */
export function wireTtl(ttlMs: number): number {
  return ttlMs === Infinity ? 0 : Math.max(1, Math.ceil(ttlMs))
}

/** What a script says of one key that the server has no room for, and of one that holds another type. */
export const LUA_FULL = "redis.error_reply('OOM the server is at its maxmemory')"
export const LUA_WRONG_TYPE = "redis.error_reply('WRONGTYPE another type stands at the key')"

/**
 * `overflows(before, by)`: the error for a count that would leave 2^53, beyond which neither Lua nor
 * JavaScript counts exactly; false for any other, and where no integer stands.
 */
export const LUA_OVERFLOWS = `
local function overflows(before, by)
  if type(before) == 'string' and not string.find(before, '^-?%d+$') then return false end
  if math.abs(tonumber(before) + by) <= 9007199254740991 then return false end
  return redis.error_reply('OVERFLOW the count would leave 2^53')
end
`

/** `stamped`: server time as text. */
export const LUA_STAMPED: string = `
local stamped = string.format('%.0f', now)`

/** `failed(reply, word)`: whether a pcall gave an error with this word. */
export const LUA_FAILED: string = `
local function failed(reply, word)
  return type(reply) == 'table' and reply.err and string.find(reply.err, word, 1, true) ~= nil
end`

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
