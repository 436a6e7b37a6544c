import { queueLua } from './queue-lua.ts'

/**
 * A mutex is one string. Free, and with nobody waiting, it is the last fencing token in 16 digits;
 * else there follow until when it is held (16 digits, server microseconds), `1` if somebody may wait
 * in `<key>:queue` and `0` if not, the hold's ttl in ms (8 digits) and the holder's token. A string
 * takes Redis half the time of a hash, and the locks of a whole batch are read at once.
 *
 * It outlives the lock by far, so that fencing tokens keep growing.
 */
export const mutexLua: string = `${queueLua}
local evenFull = false
local function set(key, ...)
  local done = redis.pcall('SET', key, ...)
  if not done.err then return end
  if not evenFull then error(done) end
  -- A full Redis goes on with a script that has written already; this changes nothing.
  redis.call('LREM', key .. ':queue', 1, '')
  redis.call('SET', key, ...)
end
local function read(key, text)
  if type(text) ~= 'string' then text = redis.call('GET', key) end
  if not text then return { fence = '', till = 0, waits = '0', token = '' } end
  local fence = string.sub(text, 1, 16)
  if #text == 16 then return { fence = fence, till = 0, waits = '0', token = '' } end
  return {
    fence = fence,
    till = tonumber(string.sub(text, 17, 32)),
    waits = string.sub(text, 33, 33),
    ttl = string.sub(text, 34, 41),
    token = string.sub(text, 42),
  }
end
local function put(key, fence, till, waits, ttl, token, keep)
  local text = string.format('%016.0f%016.0f%s%08d%s', fence, till, waits, ttl, token)
  if keep then set(key, text, 'PX', keep) else set(key, text, 'KEEPTTL') end
  return tonumber(fence)
end
local function free(key, fence, waits)
  if waits == '1' then put(key, fence, 0, waits, 0, '')
  elseif fence ~= '' then set(key, fence, 'KEEPTTL') end
end
local function nextWaiter(key, trust, own)
  local queue = key .. ':queue'
  while true do
    local entry = redis.call('LPOP', queue)
    if not entry then return nil end
    local token, channel, ttl = parse(entry)
    if channel == own then return token, ttl end
    if alive(key, token, channel, trust) then return token end
  end
end
`

/** Where a mutex's string has until when it is held, and its holder's token. */
export function holdOf(text: string): { readonly token: string; readonly until: string } {
  return { until: text.slice(16, 32), token: text.slice(41) }
}
