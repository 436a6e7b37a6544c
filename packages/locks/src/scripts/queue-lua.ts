/** How long a lock that was handed over stays reserved for a waiter that has not claimed it. */
export const CLAIM_MS = 1000

/**
 * What the scripts of all kinds share.
 *
 * A waiter's place in the queue is the text `<token> <channel> <ttl ms> <mode>`. Its process hears
 * of a hand-over on `channel`; `-` means that it looks by itself. Nobody listening on a channel
 * means that the process is gone, so its waiters are passed over at once; in a cluster that count
 * tells nothing (`trust` is 0) and the reservation's second decides.
 */
export const queueLua: string = `
local CLAIM = ${CLAIM_MS * 1000}
local function micros(n) return string.format('%.0f', n) end
local function fenceAfter(last)
  local n = (tonumber(last or '') or 0) + 1
  if n < now then n = now end
  return micros(n)
end
local function guarded(one, ...)
  local ok, reply = pcall(one, ...)
  if ok then return reply end
  return redis.error_reply(type(reply) == 'table' and reply.err or tostring(reply))
end
local function wish(text) return string.match(text, '^(%d+) (%d) (%d) (%d+) (%d+) (%a) (%S*)$') end
local function entryOf(token, channel, ttl, mode)
  return token .. ' ' .. channel .. ' ' .. ttl .. ' ' .. mode
end
local function nextHolder(text)
  local passTo, ttl, first, own, entry =
    string.match(text, '^%S+ %S+ %S+ (%S+) (%d+) (%d) (%S+) ?(.*)$')
  if not passTo then return '', '0', '0', '', '' end
  if passTo == '-' then passTo = '' end
  if own == '-' then own = '' end
  return passTo, ttl, first, own, entry
end
local function parse(entry) return string.match(entry, '^(%S+) (%S+) (%S+) (%S+)$') end
local function alive(key, token, channel, trust)
  if channel == '-' then return true end
  return redis.call('PUBLISH', channel, key .. ' ' .. token) > 0 or trust == '0'
end
local function enqueue(queue, entry, again, keep)
  if again == '1' and redis.call('LPOS', queue, entry) then return end
  redis.call('RPUSH', queue, entry)
  redis.call('PEXPIRE', queue, keep)
end
`

/**
 * Runs `one(key, at)` for each key of a shared call, where `at` is the place of its first argument;
 * what goes wrong for one key is that key's alone.
 */
export function forEachKey(argsPerKey: number): string {
  return `
local out = {}
for i = 1, #KEYS do out[i] = guarded(one, KEYS[i], 2 + (i - 1) * ${argsPerKey}) end
return out`
}
