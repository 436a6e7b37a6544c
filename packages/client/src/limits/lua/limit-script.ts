import { defineEachScript, defineScript, type EachScript, type Script } from '@corral/connection'
import { BUCKET } from './bucket.ts'
import { FIXED_WINDOW } from './fixed-window.ts'
import { SLIDING_LOG } from './sliding-log.ts'
import { SLIDING_WINDOW } from './sliding-window.ts'

/** What decides at the server; two public algorithms share the bucket. */
export type Engine = 'fixed-window' | 'sliding-window' | 'sliding-log' | 'bucket'

export const ENGINES: Readonly<Record<Engine, string>> = {
  'fixed-window': FIXED_WINDOW,
  'sliding-window': SLIDING_WINDOW,
  'sliding-log': SLIDING_LOG,
  bucket: BUCKET,
}

/**
 * `0` takes when there is room, `1` only looks, `2` counts rejected calls too.
 */
export type Mode = 0 | 1 | 2

/** Arguments of one rule: a, b, c as the engine names them, cost, mode. */
export const ARGS_PER_RULE = 5

/**
 * Numbers of the reply for one rule: admitted, count, remaining, wait µs, reset µs. After those of all
 * rules comes `now`.
 */
export const FIELDS_PER_RULE = 5

/**
 * Before the engines. `whole` because Lua writes large numbers with an exponent; `px` because a key
 * must not end before its state has lost its meaning, so fractions of a millisecond count as one.
 *
 * `settle` mends what a clock that was set back left behind, and gives an end to a key that lost it.
 */
const SERVER_TIME = `
local function px(micros) return math.max(1, math.ceil(micros / 1000)) end
`

const COMMON = `
local algorithms = {}
local function whole(number) return string.format('%.0f', number) end
`

const SETTLE = `
local function settle(engine, key, s, a, b, c)
  if s.mend then engine.save(key, s, a, b, c)
  elseif redis.call('PTTL', key) == -1 then engine.save(key, s, a, b, c) end
end
local function tell(into, engine, s, a, b, c)
  local count, left, reset = engine.view(s, a, b, c)
  local at = #into
  into[at + 1] = s.ok and 1 or 0
  into[at + 2] = count
  into[at + 3] = math.max(0, left)
  into[at + 4] = s.wait
  into[at + 5] = reset
end
`

/** How the text gets its time: tests give it as an argument, to decide what no real clock can. */
export interface LuaTime {
  /** Declares `px`. */
  readonly head: string
  /** Runs before each element; `n` holds the index of its first argument. */
  readonly each: string
  /** Arguments per element beyond {@link ARGS_PER_RULE}. */
  readonly extraArgs: number
}

export const serverTime: LuaTime = { head: SERVER_TIME, each: '', extraArgs: 0 }

/** One rule for many subjects; calls of one tick share it. */
export function singleRuleScript(engine: Engine, time: LuaTime = serverTime): EachScript {
  const argsPerKey = ARGS_PER_RULE + time.extraArgs
  return defineEachScript({
    name: `limit:${engine}`,
    argsPerKey,
    lua: `${COMMON}${time.head}${ENGINES[engine]}${SETTLE}
local engine = algorithms['${engine}']
local replies = {}
for i = 1, #KEYS do
  local n = 2 + (i - 1) * ${argsPerKey}
  local key = KEYS[i]
  local a, b, c = tonumber(ARGV[n]), tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2])
  local cost, mode = tonumber(ARGV[n + 3]), ARGV[n + 4]
  ${time.each}
  local s = engine.look(key, a, b, c, cost)
  if s.err then
    replies[i] = s
  else
    if mode ~= '1' and (s.ok or mode == '2') then engine.take(key, s, a, b, c, cost)
    else settle(engine, key, s, a, b, c) end
    local reply = {}
    tell(reply, engine, s, a, b, c)
    reply[#reply + 1] = now
    replies[i] = reply
  end
end
return replies
`,
  })
}

/** Several rules for one subject, all or none. `ARGV[2]` on: engine name, then the rule's five. */
export function manyRulesScript(time: LuaTime = serverTime): Script {
  const per = ARGS_PER_RULE + 1 + time.extraArgs
  return defineScript({
    name: 'limit:many',
    lua: `${COMMON}${time.head}${Object.values(ENGINES).join('')}${SETTLE}
local states, ok, mode = {}, true, '0'
local function rule(i)
  local n = 3 + (i - 1) * ${per}
  return algorithms[ARGV[n - 1]], n
end
for i = 1, #KEYS do
  local engine, n = rule(i)
  ${time.each}
  local s = engine.look(KEYS[i], tonumber(ARGV[n]), tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2]), tonumber(ARGV[n + 3]))
  if s.err then return s end
  mode = ARGV[n + 4]
  ok = ok and s.ok
  states[i] = s
end
local reply = {}
for i = 1, #KEYS do
  local engine, n = rule(i)
  local a, b, c, s = tonumber(ARGV[n]), tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2]), states[i]
  if mode ~= '1' and (ok or mode == '2') then engine.take(KEYS[i], s, a, b, c, tonumber(ARGV[n + 3]))
  else settle(engine, KEYS[i], s, a, b, c) end
  tell(reply, engine, s, a, b, c)
end
reply[#reply + 1] = now
return reply
`,
  })
}
