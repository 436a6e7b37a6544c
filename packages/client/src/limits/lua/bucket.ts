/**
 * A bucket that each call fills and time empties: token bucket and GCRA are two views of it. A call
 * adds `b` units, `c` units drain per µs, `a` calls fit; whole numbers, so nothing is rounded.
 * State: `<level>:<µs when it was so>`.
 */
export const BUCKET: string = `
do
  local function look(key, a, b, c, cost)
    local text = redis.pcall('GET', key)
    if type(text) == 'table' then return text end
    local level, at
    if text then level, at = string.match(text, '^(%d+):(%d+)$') end
    level, at = tonumber(level) or 0, tonumber(at) or now
    local set_back = at > now
    if not set_back then level = math.max(0, level - (now - at) * c) end
    local over = level + cost * b - a * b
    return {ok = over <= 0, wait = over > 0 and math.ceil(over / c) or 0, mend = set_back, level = level}
  end
  local function save(key, s, a, b, c)
    redis.call('SET', key, whole(s.level) .. ':' .. whole(now), 'PX', px(math.ceil(s.level / c)))
  end
  local function take(key, s, a, b, c, cost)
    s.level = math.min(s.level + cost * b, a * b)
    save(key, s, a, b, c)
  end
  local function view(s, a, b, c)
    local used = math.ceil(s.level / b)
    return used, a - used, now + math.ceil(s.level / c)
  end
  algorithms['bucket'] = {look = look, save = save, take = take, view = view}
end
`
