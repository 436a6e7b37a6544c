import { defineEachScript } from '@corral/connection'
import { ATTEMPT_ARGS, EXTEND_ARGS, type LockScripts, RELEASE_ARGS } from './lock-scripts.ts'
import { CLAIM_MS, forEachKey, queueLua } from './queue-lua.ts'

/** How long a set of reservations is kept at least: long after the last of them. */
const RESERVED_MS = 10 * CLAIM_MS

/**
 * Locks that several can hold at once: semaphores and read/write locks. `<key>:held` is a sorted set
 * of `<mode><token>` by the end of each hold (server microseconds); mode `r` shares up to `capacity`
 * places, mode `w` wants them all. The hash at `<key>` has the last fencing token `f` and `w` while
 * somebody may wait in `<key>:queue`, which is served strictly in order: nobody starves.
 */
const sharedLua = `${queueLua}
local function fits(held, capacity, mode)
  local count = redis.call('ZCARD', held)
  if mode == 'w' or count == 0 then return count == 0 end
  if count >= tonumber(capacity) then return false end
  return string.sub(redis.call('ZRANGE', held, 0, 0)[1], 1, 1) ~= 'w'
end
local function admit(key, capacity, trust)
  local held, queue = key .. ':held', key .. ':queue'
  local last
  while true do
    local entry = redis.call('LINDEX', queue, 0)
    if not entry then
      redis.call('HDEL', key, 'w')
      return last
    end
    local token, channel, _, mode = parse(entry)
    if not fits(held, capacity, mode) then return last end
    redis.call('LPOP', queue)
    if alive(key, token, channel, trust) then
      redis.call('ZADD', held, micros(now + CLAIM), mode .. token)
      -- A new set would stay for ever if nobody claimed; any that has holds lives for days.
      if redis.call('PTTL', held) < ${RESERVED_MS} then
        redis.call('PEXPIRE', held, ${2 * RESERVED_MS})
      end
      last = token
    end
  end
end
local function purge(key) redis.call('ZREMRANGEBYSCORE', key .. ':held', '-inf', micros(now)) end
`

/** The scripts of semaphores and read/write locks. */
export const sharedScripts: LockScripts = {
  attempt: defineEachScript({
    name: 'shared-attempt',
    argsPerKey: ATTEMPT_ARGS,
    lua: `${sharedLua}
local function one(key, at)
  local token = ARGV[at]
  local ttl, again, trust, keep, capacity, mode, channel = wish(ARGV[at + 1])
  local held, member = key .. ':held', mode .. token
  purge(key)
  local state = redis.call('HMGET', key, 'f', 'w')
  local handed
  local mine = redis.call('ZSCORE', held, member)
  if not mine and state[2] then
    handed = admit(key, capacity, trust)
    mine = redis.call('ZSCORE', held, member)
    state[2] = redis.call('HGET', key, 'w')
  end
  if mine or (token ~= '' and not state[2] and fits(held, capacity, mode)) then
    local fence = fenceAfter(state[1])
    redis.call('ZADD', held, micros(now + ttl * 1000), member)
    redis.call('PEXPIRE', held, keep)
    redis.call('HSET', key, 'f', fence)
    redis.call('PEXPIRE', key, keep)
    return tonumber(fence)
  end
  if channel ~= '' then
    enqueue(key .. ':queue', entryOf(token, channel, ttl, mode), again, keep)
    redis.call('HSET', key, 'w', '1')
    redis.call('PEXPIRE', key, keep)
  end
  local first = redis.call('ZRANGE', held, 0, 0, 'WITHSCORES')
  local left = first[2] and math.ceil((tonumber(first[2]) - now) / 1000) or 0
  return { left, left, handed or '', handed and micros(now + CLAIM) or '' }
end
${forEachKey(ATTEMPT_ARGS)}`,
  }),
  release: defineEachScript({
    name: 'shared-release',
    argsPerKey: RELEASE_ARGS,
    memory: 'shrink',
    lua: `${sharedLua}
local function one(key, at)
  local token = ARGV[at]
  local _, _, _, _, entry = nextHolder(ARGV[at + 1])
  local trust, capacity, mode = string.match(ARGV[at + 1], '^(%d) (%d+) (%a)')
  local held = key .. ':held'
  if entry ~= '' then redis.call('LREM', key .. ':queue', 1, entry) end
  purge(key)
  local gone = token == '' and redis.call('DEL', held) or redis.call('ZREM', held, mode .. token)
  local handed
  if redis.call('HGET', key, 'w') then handed = admit(key, capacity, trust) end
  if gone == 0 then return 0 end
  if handed then return { 3, handed, micros(now + CLAIM) } end
  return 1
end
${forEachKey(RELEASE_ARGS)}`,
  }),
  extend: defineEachScript({
    name: 'shared-extend',
    argsPerKey: EXTEND_ARGS,
    memory: 'shrink',
    lua: `${sharedLua}
local function one(key, at)
  local held, member = key .. ':held', ARGV[at + 3] .. ARGV[at]
  local till = redis.call('ZSCORE', held, member)
  if not till or tonumber(till) <= now then return 0 end
  -- PEXPIRE is allowed in a full Redis, and after it ZADD and HSET are too.
  redis.call('PEXPIRE', held, ARGV[at + 2])
  redis.call('ZADD', held, micros(now + ARGV[at + 1] * 1000), member)
  local fence = redis.call('HGET', key, 'f')
  if ARGV[at + 4] == '1' then
    fence = fenceAfter(fence)
    redis.call('HSET', key, 'f', fence)
  end
  redis.call('PEXPIRE', key, ARGV[at + 2])
  return tonumber(fence)
end
${forEachKey(EXTEND_ARGS)}`,
  }),
  inspect: defineEachScript({
    name: 'shared-inspect',
    argsPerKey: 0,
    memory: 'shrink',
    lua: `${sharedLua}
local function one(key)
  local reply = { redis.call('LLEN', key .. ':queue'), redis.call('HGET', key, 'f') or '' }
  local held = redis.call('ZRANGEBYSCORE', key .. ':held', '(' .. micros(now), '+inf', 'WITHSCORES')
  for i = 1, #held, 2 do
    reply[#reply + 1] = string.sub(held[i], 2)
    reply[#reply + 1] = math.ceil((tonumber(held[i + 1]) - now) / 1000)
  end
  return reply
end
${forEachKey(0)}`,
  }),
}
