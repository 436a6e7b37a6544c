/**
 * A bucket that each call fills and time empties: token bucket and GCRA are two views of it. A call
 * adds `b` units, `c` units drain per µs, `a` calls fit; whole numbers, so nothing is rounded.
 * State: level, and the µs at which it was so.
 */
export const BUCKET: string = `
local level
local function look(key, cost)
  local text, err = held(key, 16)
  if err then return err end
  mend = false
  level = 0
  if text then
    local at
    level, at = struct.unpack('>dd', text)
    if not (level >= 0 and level < 2^53 and at >= 0) then level = 0
    elseif at > now then mend = true
    else level = math.max(0, level - (now - at) * c) end
    -- What was counted by another rule under this name is in other units; no bucket is more than full.
    level = math.min(level, a * b)
  end
  local over = level + cost * b - a * b
  wait = over > 0 and math.ceil(over / c) or 0
end
local function save(key)
  redis.call('SET', key, struct.pack('>dd', level, now), 'PX', px(math.ceil(level / c)))
end
local function take(key, cost)
  level = math.min(level + cost * b, a * b)
  save(key)
end
local function view()
  count = math.ceil(level / b)
  reset = math.ceil(level / c)
end
`
