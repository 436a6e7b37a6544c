import { defineEachScript } from '@corral/connection'
import { ATTEMPT_ARGS, EXTEND_ARGS, type LockScripts, RELEASE_ARGS } from './lock-scripts.ts'
import { forEachKey, queueLua } from './queue-lua.ts'

/**
 * A mutex is one hash: `t` the holder's token, `u` until when it holds (server microseconds), `l`
 * its ttl in ms, `f` the last fencing token, `k` from when on the hash's own end is put off, `w` present while somebody may wait in `<key>:queue`.
 * The hash outlives the lock by far, so that fencing tokens keep growing.
 */
const mutexLua = `${queueLua}
local function nextWaiter(key, trust, own)
  local queue = key .. ':queue'
  while true do
    local entry = redis.call('LPOP', queue)
    if not entry then
      redis.call('HDEL', key, 'w')
      return nil
    end
    local token, channel, ttl = parse(entry)
    if channel == own then return token, ttl end
    if alive(key, token, channel, trust) then return token end
  end
end
`

/**
 * Most locks are free when they are asked for and nobody waits when they are given back. These cases
 * stand first and in line: what the others need is only made when one of them comes.
 */
const takeLua = `
local out = {}
local format, call = string.format, redis.call
local others
for i = 1, #KEYS do
  local key, at = KEYS[i], 2 + (i - 1) * ${ATTEMPT_ARGS}
  local token = ARGV[at]
  local held = redis.pcall('HMGET', key, 't', 'u', 'f', 'w', 'l', 'k')
  if token ~= '' and not held.err and not held[1] and not held[4] then
    local ttl = ARGV[at + 1]
    local fence, till = format('%.0f', now), format('%.0f', now + ttl * 1000)
    if held[3] and #held[3] == #fence and held[3] >= fence then
      fence = format('%.0f', held[3] + 1)
    end
    local done
    -- The hash is kept far longer than any hold, so its end need not move with each of them.
    if held[6] and tonumber(held[6]) > now then
      done = redis.pcall('HSET', key, 't', token, 'u', till, 'f', fence, 'l', ttl)
    else
      local keep = string.match(ARGV[at + 3], '^%d %d (%d+) ')
      local renewAt = format('%.0f', now + keep * 250)
      done = redis.pcall('HSET', key, 't', token, 'u', till, 'f', fence, 'l', ttl, 'k', renewAt)
      call('PEXPIRE', key, keep)
    end
    if type(done) == 'table' then out[i] = done else out[i] = { 1, fence } end
  else
    if not others then`

const giveBackLua = `
local out = {}
local others
for i = 1, #KEYS do
  local key, at = KEYS[i], 2 + (i - 1) * ${RELEASE_ARGS}
  local token = ARGV[at]
  local held = redis.pcall('HMGET', key, 't', 'u', 'f', 'w')
  if
    token ~= '' and held[1] == token and not held[4] and tonumber(held[2]) > now
    and ARGV[at + 1] == ''
  then
    redis.call('HDEL', key, 't', 'u', 'l')
    out[i] = { 1 }
  else
    if not others then`

/** The scripts of a mutex; uncontended, attempt runs 3 or 4 commands and release 3. */
export const mutexScripts: LockScripts = {
  attempt: defineEachScript({
    name: 'lock-attempt',
    argsPerKey: ATTEMPT_ARGS,
    lua: `${takeLua}
${mutexLua}
local function one(key, at, held)
  if held.err then return held end
  local token, ttl, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local again, trust, keep = wish(ARGV[at + 3])
  local till = micros(now + ttl * 1000)
  local left = tonumber(held[2] or '0') - now
  if held[1] and left > 0 then
    if held[1] == token then
      redis.call('HSET', key, 'u', till, 'l', ttl)
      return { 1, held[3] }
    end
    if entry ~= '' then
      enqueue(key .. ':queue', entry, again, keep)
      if not held[4] then redis.call('HSET', key, 'w', '1') end
    end
    return { 0, math.ceil(left / 1000), held[5], held[1], '' }
  end
  local fence = fenceAfter(held[3])
  if held[4] then
    local winner = nextWaiter(key, trust, '')
    if winner and winner ~= token then
      local claimBy = micros(now + CLAIM)
      redis.call('HSET', key, 't', winner, 'u', claimBy, 'f', fence, 'l', '1000')
      if entry ~= '' then enqueue(key .. ':queue', entry, again, keep) end
      return { 0, CLAIM / 1000, '1000', winner, claimBy }
    end
  end
  if token == '' then
    redis.call('HDEL', key, 't', 'u', 'l')
    return { 0, 0, '0', '', '' }
  end
  redis.call('HSET', key, 't', token, 'u', till, 'f', fence, 'l', ttl, 'k', micros(now + keep * 250))
  redis.call('PEXPIRE', key, keep)
  return { 1, fence }
end
      others = function(key, at, held) return guarded(one, key, at, held) end
    end
    out[i] = others(key, at, held)
  end
end
return out`,
  }),
  release: defineEachScript({
    name: 'lock-release',
    argsPerKey: RELEASE_ARGS,
    memory: 'shrink',
    lua: `${giveBackLua}
${mutexLua}
local function one(key, at, held)
  if held.err then return held end
  local token = ARGV[at]
  local passTo, passTtl, first, own, entry = nextHolder(ARGV[at + 1])
  local trust = string.sub(ARGV[at + 2], 1, 1)
  if entry ~= '' then redis.call('LREM', key .. ':queue', 1, entry) end
  if not held[1] or (token ~= '' and held[1] ~= token) then return { 0 } end
  local lapsed = tonumber(held[2]) <= now
  -- Before anything grows: a script that has written already may go on writing in a full Redis.
  local winner, ttl
  if held[4] and not (first == '1' and passTo ~= '') then
    winner, ttl = nextWaiter(key, trust, own)
  end
  if not winner and passTo ~= '' and not lapsed then winner, ttl = passTo, passTtl end
  if not winner then
    redis.call('HDEL', key, 't', 'u', 'l')
    return { lapsed and 0 or 1 }
  end
  local fence = fenceAfter(held[3])
  local till = micros(ttl and now + ttl * 1000 or now + CLAIM)
  redis.call('HSET', key, 't', winner, 'u', till, 'f', fence, 'l', ttl or '1000')
  if lapsed then return { 0 } end
  if ttl then return { 2, winner, fence, ttl } end
  return { 3, winner, till }
end
      others = function(key, at, held) return guarded(one, key, at, held) end
    end
    out[i] = others(key, at, held)
  end
end
return out`,
  }),
  extend: defineEachScript({
    name: 'lock-extend',
    argsPerKey: EXTEND_ARGS,
    memory: 'shrink',
    lua: `${mutexLua}
local function one(key, at)
  local held = redis.call('HMGET', key, 't', 'u', 'f')
  if held[1] ~= ARGV[at] or tonumber(held[2]) <= now then return { 0 } end
  local ttl = ARGV[at + 1]
  -- PEXPIRE is allowed in a full Redis, and after it HSET is too.
  redis.call('PEXPIRE', key, ARGV[at + 2])
  redis.call('HSET', key, 'u', micros(now + ttl * 1000), 'l', ttl)
  return { 1, held[3] }
end
${forEachKey(EXTEND_ARGS)}`,
  }),
  inspect: defineEachScript({
    name: 'lock-inspect',
    argsPerKey: 0,
    memory: 'shrink',
    lua: `${mutexLua}
local function one(key)
  local held = redis.call('HMGET', key, 't', 'u', 'f', 'w')
  local reply = { held[4] and redis.call('LLEN', key .. ':queue') or 0, held[3] or '' }
  if held[1] and tonumber(held[2]) > now then
    reply[3], reply[4] = held[1], math.ceil((held[2] - now) / 1000)
  end
  return reply
end
${forEachKey(0)}`,
  }),
}
