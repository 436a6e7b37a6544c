/**
 * Counts calls from a window's first one on. State: `<start µs>:<count>`; the window and the
 * key end together. a = limit, b = window in µs, c = 1 when windows start at whole multiples of b.
 */
export const FIXED_WINDOW: string = `
do
  local function look(key, a, b, c, cost)
    local text = redis.pcall('GET', key)
    if type(text) == 'table' then return text end
    local start, count
    if text then start, count = string.match(text, '^(%d+):(%d+)$') end
    start, count = tonumber(start), tonumber(count)
    local set_back = start ~= nil and start > now
    if not start or now >= start + b then
      start, count = now, 0
      if c == 1 then start = now - now % b end
    elseif set_back then
      start = now
      if c == 1 then start = now - now % b end
    end
    local ok = count + cost <= a
    return {ok = ok, wait = ok and 0 or start + b - now, mend = set_back, start = start, count = count}
  end
  local function save(key, s, a, b)
    redis.call('SET', key, whole(s.start) .. ':' .. whole(s.count), 'PX', px(s.start + b - now))
  end
  local function take(key, s, a, b, c, cost)
    s.count = s.count + cost
    save(key, s, a, b)
  end
  local function view(s, a, b)
    return s.count, a - s.count, s.count > 0 and s.start + b or now
  end
  algorithms['fixed-window'] = {look = look, save = save, take = take, view = view}
end
`
