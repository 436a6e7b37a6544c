/**
 * Two counters: what the window before brought counts by the share of it that the last `b` µs still
 * cover. State: `<window number>:<count>:<count of the one before>`. a = limit, b = window in µs.
 *
 * All in whole numbers: `previous * (b - elapsed) + count * b` against `a * b`, which the options keep
 * below 2^53.
 */
export const SLIDING_WINDOW: string = `
do
  local function look(key, a, b, c, cost)
    local text = redis.pcall('GET', key)
    if type(text) == 'table' then return text end
    local index, count, previous
    if text then index, count, previous = string.match(text, '^(%d+):(%d+):(%d+)$') end
    index, count, previous = tonumber(index), tonumber(count) or 0, tonumber(previous) or 0
    local elapsed = now % b
    local current = (now - elapsed) / b
    local set_back = index ~= nil and index > current
    if not index or index < current - 1 then
      count, previous = 0, 0
    elseif index == current - 1 then
      count, previous = 0, count
    end
    local s = {mend = set_back, index = current, elapsed = elapsed, count = count, previous = previous}
    s.ok = previous * (b - elapsed) + (count + cost) * b <= a * b
    s.wait = 0
    if not s.ok then
      local free = a - count - cost
      local at
      if free >= 0 then
        at = math.ceil(b * (previous - free) / previous)
      else
        at = b + math.ceil(b * (count - (a - cost)) / count)
      end
      s.wait = at - elapsed
    end
    return s
  end
  local function save(key, s, a, b)
    redis.call('SET', key, whole(s.index) .. ':' .. whole(s.count) .. ':' .. whole(s.previous),
      'PX', px(2 * b - s.elapsed))
  end
  local function take(key, s, a, b, c, cost)
    s.count = s.count + cost
    save(key, s, a, b)
  end
  local function view(s, a, b)
    local used = s.count + math.ceil(s.previous * (b - s.elapsed) / b)
    local reset = now
    if s.count > 0 then reset = (s.index + 2) * b elseif s.previous > 0 then reset = (s.index + 1) * b end
    return used, a - used, reset
  end
  algorithms['sliding-window'] = {look = look, save = save, take = take, view = view}
end
`
