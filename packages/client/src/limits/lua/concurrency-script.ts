import { defineEachScript, type EachScript } from '@corral/connection'
import { serverTime, type LuaTime } from './limit-script.ts'

/**
 * Leases in a sorted set, scored by the µs at which they run out; one that a killed process left
 * behind is dropped by the next caller. A lease's id makes taking it twice the same as once.
 */
const DROP_EXPIRED = `
-- Looks before it removes: behind another write Redis would let a lease pass also when it is full.
local function drop(key)
  local first = redis.pcall('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first.err then return first end
  if first[2] and tonumber(first[2]) <= now then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  end
end
local function bound(key)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  if last then redis.call('PEXPIRE', key, px(tonumber(last) - now)) end
end
`

function eachLease(
  name: string,
  args: number,
  body: string,
  time: LuaTime,
  memory: 'grow' | 'shrink',
): EachScript {
  const argsPerKey = args + time.extraArgs
  return defineEachScript({
    name,
    argsPerKey,
    memory,
    lua: `
local function whole(number) return string.format('%.0f', number) end
${time.px}${DROP_EXPIRED}
local replies = {}
for i = 1, #KEYS do
  local n = 2 + (i - 1) * ${argsPerKey}
  local key = KEYS[i]
  ${time.each}
  local err = drop(key)
  if err then replies[i] = err else
${body}
  end
end
return replies
`,
  })
}

/** Args: id, limit, lease µs. Reply: admitted, count, wait µs, end µs of the lease. */
export function acquireLeaseScript(time: LuaTime = serverTime): EachScript {
  return eachLease(
    'limit:acquire',
    3,
    `
    local id, limit, lease = ARGV[n], tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2])
    local count = redis.call('ZCARD', key)
    local held = redis.call('ZSCORE', key, id)
    if held then
      replies[i] = {1, count, 0, tonumber(held)}
    elseif count < limit then
      redis.call('ZADD', key, whole(now + lease), id)
      bound(key)
      replies[i] = {1, count + 1, 0, now + lease}
    else
      bound(key)
      -- When so many leases have run out that one more fits.
      local ends = redis.call('ZRANGE', key, count - limit, count - limit, 'WITHSCORES')[2]
      replies[i] = {0, count, tonumber(ends) - now, tonumber(ends)}
    end`,
    time,
    'grow',
  )
}

/** Args: id, new lease µs. Reply: the lease's new end in µs, or 0 when it is gone. */
export function extendLeaseScript(time: LuaTime = serverTime): EachScript {
  return eachLease(
    'limit:extend',
    2,
    `
    local ends = now + tonumber(ARGV[n + 1])
    if redis.call('ZSCORE', key, ARGV[n]) then
      redis.call('ZADD', key, whole(ends), ARGV[n])
      bound(key)
      replies[i] = ends
    else
      replies[i] = 0
    end`,
    time,
    'grow',
  )
}

/** Args: id. Reply: 1 when the lease was still there. */
export function releaseLeaseScript(time: LuaTime = serverTime): EachScript {
  return eachLease(
    'limit:release',
    1,
    `
    replies[i] = redis.call('ZREM', key, ARGV[n])
    bound(key)`,
    time,
    'shrink',
  )
}

/** No args. Reply: how many leases are held, and the µs at which the first runs out (0: none). */
export function countLeasesScript(time: LuaTime = serverTime): EachScript {
  return eachLease(
    'limit:leases',
    0,
    `
    bound(key)
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
    replies[i] = {redis.call('ZCARD', key), tonumber(first) or 0}`,
    time,
    'grow',
  )
}
