/**
 * Counts calls from a window's first one on. State: start µs and count; the window and the key end
 * together. a = limit, b = window in µs.
 *
 * @param start Lua for the start of a window that begins now
 */
function windowFrom(start: string): string {
  return `
local started
local function look(key, cost)
  local text, err = held(key, 16)
  if err then return err end
  mend = false
  if text then
    started, count = struct.unpack('>dd', text)
    if not (started >= 0 and count >= 0 and count < 2^53) then text = false
    elseif started > now then
      mend = true
      started = ${start}
    elseif now >= started + b then text = false end
  end
  if not text then
    started = ${start}
    count = 0
  end
  wait = count + cost <= a and 0 or started + b - now
end
local function save(key)
  redis.call('SET', key, struct.pack('>dd', started, count), 'PX', px(started + b - now))
end
local function take(key, cost)
  count = count + cost
  save(key)
end
local function view()
  reset = count > 0 and started + b - now or 0
end
`
}

export const FIXED_WINDOW: string = windowFrom('now')

/** Windows that start at whole multiples of b. */
export const ALIGNED_WINDOW: string = windowFrom('now - now % b')
