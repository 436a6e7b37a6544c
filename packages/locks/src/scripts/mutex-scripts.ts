import { defineEachScript } from '@corral/connection'
import { ATTEMPT_ARGS, EXTEND_ARGS, type LockScripts, RELEASE_ARGS } from './lock-scripts.ts'
import { mutexLua } from './mutex-lua.ts'
import { forEachKey } from './queue-lua.ts'

/**
 * Most locks are free when they are asked for and nobody waits when they are given back. These cases
 * stand first and in line: what the others need is only made when one of them comes. One MGET reads
 * all the locks of a batch; what the batch itself has changed since is in `fresh`.
 */
const startLua = `
local out, fresh = {}, {}
local try, sub, format = redis.pcall, string.sub, string.format
local texts = #KEYS > 1 and redis.call('MGET', unpack(KEYS)) or { try('GET', KEYS[1]) }
local nowText = format('%016.0f', now)
local terms, others
`

const takeLua = `${startLua}
local keep, rest
for i = 1, #KEYS do
  local key, at = KEYS[i], 2 + (i - 1) * ${ATTEMPT_ARGS}
  local token, text = ARGV[at], fresh[key] or texts[i]
  local done
  if token ~= '' and (not text or #text == 16) then
    if terms ~= ARGV[at + 1] then
      terms = ARGV[at + 1]
      local ttl, kept = string.match(terms, '^(%d+) %d %d (%d+)')
      keep, rest = kept, format('%016.0f0%08d', now + ttl * 1000, ttl)
    end
    local fence, number = nowText, now
    if text and text >= nowText then
      number = text + 1
      fence = format('%016.0f', number)
    end
    local value = fence .. rest .. token
    -- MGET does not tell a key that is no string from one that is not there.
    if text then done = try('SET', key, value, 'PX', keep)
    else done = try('SET', key, value, 'PX', keep, 'NX') end
    if done then
      if done.err then out[i] = done else out[i], fresh[key] = number, value end
    end
  end
  if not done then
    if not others then`

const giveBackLua = `${startLua}
local plain
for i = 1, #KEYS do
  local key, at = KEYS[i], 2 + (i - 1) * ${RELEASE_ARGS}
  local token, text = ARGV[at], fresh[key] or texts[i]
  if terms ~= ARGV[at + 1] then
    terms = ARGV[at + 1]
    plain = string.find(terms, '^%S+ %S+ %S+$')
  end
  local done
  if
    plain and text and #text > 41 and string.byte(text, 33) == 48 and sub(text, 42) == token
    and sub(text, 17, 32) > nowText
  then
    local fence = sub(text, 1, 16)
    done = try('SET', key, fence, 'KEEPTTL')
    if done.err then done = nil else out[i], fresh[key] = 1, fence end
  end
  if not done then
    if not others then`

/** The end of both: the other cases look afresh, and leave what they changed for those that follow. */
const othersLua = `
      others = function(key, ...)
        local reply = guarded(one, key, ...)
        local after = #KEYS > 1 and try('GET', key)
        if type(after) == 'string' then fresh[key] = after end
        return reply
      end
    end
    out[i] = others(key, token, ARGV[at + 1], text)
  end
end
return out`

/** The scripts of a mutex; uncontended, attempt and release run 3 commands each. */
export const mutexScripts: LockScripts = {
  attempt: defineEachScript({
    name: 'lock-attempt',
    argsPerKey: ATTEMPT_ARGS,
    lua: `${takeLua}
${mutexLua}
local function one(key, token, terms, text)
  local held = read(key, text)
  local ttl, again, trust, keep, _, mode, channel = wish(terms)
  local till = micros(now + ttl * 1000)
  local function line()
    if channel == '' then return held.waits end
    enqueue(key .. ':queue', entryOf(token, channel, ttl, mode), again, keep)
    return '1'
  end
  local left = held.till - now
  if held.token ~= '' and left > 0 then
    if held.token == token then
      return put(key, held.fence, till, held.waits, ttl, token, keep)
    end
    local waits = line()
    if waits ~= held.waits then redis.call('SETRANGE', key, 32, waits) end
    return { math.ceil(left / 1000), tonumber(held.ttl), held.token, '' }
  end
  local fence = fenceAfter(held.fence)
  local waits = held.waits
  if waits == '1' then
    local winner = nextWaiter(key, trust, '')
    if not winner then
      waits = '0'
    elseif winner ~= token then
      local claimBy = micros(now + CLAIM)
      line()
      put(key, fence, claimBy, '1', 1000, winner, keep)
      return { CLAIM / 1000, 1000, winner, claimBy }
    end
  end
  if token == '' then
    free(key, held.fence, waits)
    return { 0, 0, '', '' }
  end
  return put(key, fence, till, waits, ttl, token, keep)
end${othersLua}`,
  }),
  release: defineEachScript({
    name: 'lock-release',
    argsPerKey: RELEASE_ARGS,
    memory: 'shrink',
    lua: `${giveBackLua}
${mutexLua}
evenFull = true
local function one(key, token, terms, text)
  local held = read(key, text)
  local passTo, passTtl, first, own, entry = nextHolder(terms)
  local trust = sub(terms, 1, 1)
  if entry ~= '' then redis.call('LREM', key .. ':queue', 1, entry) end
  if held.token == '' or (token ~= '' and held.token ~= token) then return 0 end
  local lapsed = held.till <= now
  local waits = held.waits
  local winner, ttl
  if waits == '1' and not (first == '1' and passTo ~= '') then
    winner, ttl = nextWaiter(key, trust, own)
    if not winner then waits = '0' end
  end
  if not winner and passTo ~= '' and not lapsed then winner, ttl = passTo, passTtl end
  if not winner then
    free(key, held.fence, waits)
    return lapsed and 0 or 1
  end
  local fence = fenceAfter(held.fence)
  local till = micros(ttl and now + ttl * 1000 or now + CLAIM)
  -- It may go round in one process for ever: each new hold renews the key's life, as an attempt does.
  put(key, fence, till, waits, ttl or 1000, winner, string.match(terms, '^%S+ (%d+)'))
  if lapsed then return 0 end
  if ttl then return { 2, winner, fence, ttl } end
  return { 3, winner, till }
end${othersLua}`,
  }),
  extend: defineEachScript({
    name: 'lock-extend',
    argsPerKey: EXTEND_ARGS,
    memory: 'shrink',
    lua: `${mutexLua}
evenFull = true
local function one(key, at)
  local held = read(key)
  if held.token == '' or held.token ~= ARGV[at] or held.till <= now then return 0 end
  local ttl = ARGV[at + 1]
  return put(key, held.fence, micros(now + ttl * 1000), held.waits, ttl, held.token, ARGV[at + 2])
end
${forEachKey(EXTEND_ARGS)}`,
  }),
  inspect: defineEachScript({
    name: 'lock-inspect',
    argsPerKey: 0,
    memory: 'shrink',
    lua: `${mutexLua}
local function one(key)
  local held = read(key)
  local waiting = held.waits == '1' and redis.call('LLEN', key .. ':queue') or 0
  local reply = { waiting, held.fence }
  if held.token ~= '' and held.till > now then
    reply[3], reply[4] = held.token, math.ceil((held.till - now) / 1000)
  end
  return reply
end
${forEachKey(0)}`,
  }),
}
