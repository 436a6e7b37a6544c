/**
 * Remembers when each call came, in a list of µs, oldest first. a = limit, b = window in µs. A call
 * leaves the window when `b` µs have passed.
 */
export const SLIDING_LOG: string = `
do
  local function push(key, at, times)
    local text = whole(at)
    while times > 0 do
      local chunk = {}
      for i = 1, math.min(times, 1000) do chunk[i] = text end
      redis.call('RPUSH', key, unpack(chunk))
      times = times - #chunk
    end
  end
  local function time_at(key, index)
    return tonumber(redis.call('LINDEX', key, index)) or 0
  end
  local function look(key, a, b, c, cost)
    local length = redis.pcall('LLEN', key)
    if type(length) == 'table' then return length end
    local newest = length > 0 and time_at(key, -1) or 0
    local old = 0
    local set_back = newest > now
    if set_back then
      newest = now
    elseif newest <= now - b then
      old = length
    else
      -- How many are outside the window: the first inside it is searched by halves.
      local high = length - 1
      while old < high do
        local middle = math.floor((old + high) / 2)
        if time_at(key, middle) <= now - b then old = middle + 1 else high = middle end
      end
    end
    local count = length - old
    local ok = count + cost <= a
    local wait = 0
    if not ok then
      wait = (set_back and now or time_at(key, old + count + cost - a - 1)) + b - now
    end
    return {ok = ok, wait = wait, mend = set_back, count = count, newest = newest, old = old}
  end
  local function save(key, s, a, b)
    if s.mend then
      -- Times of a clock that was set back since: from now on they count as of now.
      redis.call('DEL', key)
      push(key, now, s.count)
      s.mend = false
    end
    if s.old > 0 then redis.call('LTRIM', key, s.old, -1) end
    redis.call('PEXPIRE', key, px(b))
  end
  local function take(key, s, a, b, c, cost)
    -- The push comes first: behind another write Redis would let it pass also when it is full.
    if not s.mend then
      push(key, now, cost)
      save(key, s, a, b)
    else
      save(key, s, a, b)
      push(key, now, cost)
    end
    s.count = s.count + cost
    if s.count > a then
      redis.call('LTRIM', key, -a, -1)
      s.count = a
    end
    s.newest = now
  end
  local function view(s, a, b)
    return s.count, a - s.count, s.count > 0 and s.newest + b or now
  end
  algorithms['sliding-log'] = {look = look, save = save, take = take, view = view}
end
`
