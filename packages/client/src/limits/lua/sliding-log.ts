/**
 * Remembers when each call came, in a list of µs, oldest first. a = limit, b = window in µs. A call
 * leaves the window when `b` µs have passed.
 */
export const SLIDING_LOG: string = `
local old, newest
local function push(key, at, times)
  local text = string.format('%.0f', at)
  if times == 1 then
    redis.call('RPUSH', key, text)
    return
  end
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
local function look(key, cost)
  local length = redis.pcall('LLEN', key)
  if type(length) == 'table' then return length end
  newest = length > 0 and time_at(key, -1) or 0
  mend = newest > now
  old = 0
  if mend then
    newest = now
  elseif newest <= now - b then
    old = length
  elseif time_at(key, 0) <= now - b then
    -- How many are outside the window: the first inside it is searched by halves.
    local high = length - 1
    while old < high do
      local middle = math.floor((old + high) / 2)
      if time_at(key, middle) <= now - b then old = middle + 1 else high = middle end
    end
  end
  count = length - old
  wait = 0
  if count + cost > a then
    wait = (mend and now or time_at(key, old + count + cost - a - 1)) + b - now
  end
end
local function save(key)
  if mend then
    -- Times of a clock that was set back since: from now on they count as of now.
    redis.call('DEL', key)
    push(key, now, count)
    mend = false
  end
  if old > 0 then redis.call('LTRIM', key, old, -1) end
  redis.call('PEXPIRE', key, px(b))
end
local function take(key, cost)
  -- The push comes first: behind another write Redis would let it pass also when it is full.
  if mend then save(key) end
  push(key, now, cost)
  save(key)
  count = count + cost
  if count > a then
    redis.call('LTRIM', key, -a, -1)
    count = a
  end
  newest = now
end
local function view()
  reset = count > 0 and newest + b - now or 0
end
`
