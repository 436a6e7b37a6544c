/**
 * Two counters: what the window before brought counts by the share of it that the last `b` µs still
 * cover. State: number of the window, its count, the count of the one before. a = limit, b = window in µs.
 *
 * All in whole numbers: `previous * (b - elapsed) + current * b` against `a * b`, which the options keep
 * below 2^53.
 */
export const SLIDING_WINDOW: string = `
local index, current, previous, elapsed
local function look(key, cost)
  local text, err = held(key, 24)
  if err then return err end
  mend = false
  elapsed = now % b
  local this = (now - elapsed) / b
  index = nil
  if text then
    index, current, previous = struct.unpack('>ddd', text)
    if not (index >= this - 1 and current >= 0 and current < 2^53 and previous >= 0 and previous < 2^53) then index = nil end
  end
  if not index then
    current, previous = 0, 0
  elseif index > this then
    mend = true
  elseif index < this then
    previous, current = current, 0
  end
  index = this
  wait = 0
  if previous * (b - elapsed) + (current + cost) * b > a * b then
    local free = a - current - cost
    if free >= 0 then
      wait = math.ceil(b * (previous - free) / previous) - elapsed
    else
      wait = b + math.ceil(b * (current - (a - cost)) / current) - elapsed
    end
  end
end
local function save(key)
  redis.call('SET', key, struct.pack('>ddd', index, current, previous), 'PX', px(2 * b - elapsed))
end
local function take(key, cost)
  current = current + cost
  save(key)
end
local function view()
  count = current + math.ceil(previous * (b - elapsed) / b)
  reset = 0
  if current > 0 then reset = 2 * b - elapsed elseif previous > 0 then reset = b - elapsed end
end
`
