import { defineEachScript, defineScript, type EachScript, type Script } from '@corral/connection'
import { BUCKET } from './bucket.ts'
import { ALIGNED_WINDOW, FIXED_WINDOW } from './fixed-window.ts'
import { SLIDING_LOG } from './sliding-log.ts'
import { SLIDING_WINDOW } from './sliding-window.ts'

/** What decides at the server; two public algorithms share the bucket. */
export type Engine = 'fixed-window' | 'aligned-window' | 'sliding-window' | 'sliding-log' | 'bucket'

/**
 * Each engine works on the variables of {@link COMMON}, so that nothing is allocated per call:
 * `look` reads what is there and decides, or returns an error; `take` counts a call that was looked at;
 * `save` writes what was seen, with an end; `view` tells the count and when all of it is gone.
 */
export const ENGINES: Readonly<Record<Engine, string>> = {
  'fixed-window': FIXED_WINDOW,
  'aligned-window': ALIGNED_WINDOW,
  'sliding-window': SLIDING_WINDOW,
  'sliding-log': SLIDING_LOG,
  bucket: BUCKET,
}

/** `take` counts when there is room, `peek` only looks, `count-all` counts rejected calls too. */
export type Mode = 'take' | 'peek' | 'count-all'

const MODES: readonly Mode[] = ['take', 'peek', 'count-all']

/** Arguments of one rule: `a:b:c` as its engine names them, and the cost. */
export const ARGS_PER_RULE = 2

/** How the text gets its time: tests give it as an argument, to decide what no real clock can. */
export interface LuaTime {
  /** Declares `px`: milliseconds that hold so many µs. */
  readonly px: string
  /** Runs before each element; `n` holds the index of its first argument. */
  readonly each: string
  /** Arguments per element beyond {@link ARGS_PER_RULE}. */
  readonly extraArgs: number
}

/** A key must not end before its state has lost its meaning: fractions of a millisecond count as one. */
export const serverTime: LuaTime = {
  px: 'local function px(micros) return math.max(1, math.ceil(micros / 1000)) end\n',
  each: '',
  extraArgs: 0,
}

const COMMON = `
local a, b, c, wait, mend, count, reset
local function use(rule)
  local x, y, z = string.match(rule, '^(%d+):(%d+):(%d+)$')
  a, b, c = tonumber(x), tonumber(y), tonumber(z)
end
-- What is at a key if it is so many bytes of numbers; anything else counts as nothing. An error comes second.
local function held(key, bytes)
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then return false, text end
  return text and #text == bytes and text
end
`

/** Gives an end to a key that lost it, and mends what a clock that was set back left behind. */
const SETTLE = `
local function settle(key)
  if mend or redis.call('PTTL', key) == -1 then save(key) end
end
`

/** Counts the call that was looked at, or does not; `admitted` is Lua. */
function decide(mode: Mode, admitted: string): string {
  if (mode === 'count-all') return 'take(key, cost)'
  if (mode === 'peek') return 'settle(key)'
  return `if ${admitted} then take(key, cost) else settle(key) end`
}

function singleRuleScript(engine: Engine, mode: Mode, time: LuaTime): EachScript {
  const argsPerKey = ARGS_PER_RULE + time.extraArgs
  return defineEachScript({
    name: `limit:${engine}:${mode}`,
    argsPerKey,
    lua: `${COMMON}${time.px}${ENGINES[engine]}${SETTLE}
local replies = {}
-- Calls of one tick mostly have the same rule: what was read is not read again.
local used
for i = 1, #KEYS do
  local n = 2 + (i - 1) * ${argsPerKey}
  local key, cost = KEYS[i], tonumber(ARGV[n + 1])
  if ARGV[n] ~= used then
    used = ARGV[n]
    use(used)
  end
  ${time.each}
  local err = look(key, cost)
  if err then
    replies[i] = err
  else
    ${decide(mode, 'wait == 0')}
    view()
    replies[i] = {count, wait, reset, now}
  end
end
return replies
`,
  })
}

/** The scripts of one rule for many subjects, by mode; calls of one tick share one. */
export type RuleScripts = Readonly<Record<Mode, EachScript>>

/** `ARGV` of an element: rule, cost. Reply: {count, wait µs (0 = admitted), reset µs, now}. */
export function ruleScripts(engine: Engine, time: LuaTime = serverTime): RuleScripts {
  const [take, peek, all] = MODES.map((mode) => singleRuleScript(engine, mode, time))
  return { take: take!, peek: peek!, 'count-all': all! }
}

/**
 * Several rules for one subject, all or none: a key each. `ARGV` from 2 on, for each rule: engine, rule,
 * cost. Reply: {count, wait µs, reset µs} of each rule, then now.
 */
export function manyRulesScript(mode: Mode, time: LuaTime = serverTime): Script {
  const per = ARGS_PER_RULE + 1 + time.extraArgs
  const engines = Object.entries(ENGINES).map(
    ([name, lua]) => `do${lua}${SETTLE}
engines['${name}'] = {look = look, take = take, view = view, settle = settle}
end`,
  )
  return defineScript({
    name: `limit:many:${mode}`,
    lua: `${COMMON}${time.px}local engines = {}
${engines.join('\n')}
-- Nothing is written before all were looked at, so each is found the second time as it was the first.
local function rule(i)
  local n = 3 + (i - 1) * ${per}
  use(ARGV[n])
  ${time.each}
  local engine, cost = engines[ARGV[n - 1]], tonumber(ARGV[n + 1])
  return engine, cost, engine.look(KEYS[i], cost)
end
local ok = true
for i = 1, #KEYS do
  local engine, cost, err = rule(i)
  if err then return err end
  ok = ok and wait == 0
end
local reply = {}
for i = 1, #KEYS do
  local key = KEYS[i]
  local engine, cost = rule(i)
  local take, settle = engine.take, engine.settle
  ${decide(mode, 'ok')}
  engine.view()
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = count, wait, reset
end
reply[#reply + 1] = now
return reply
`,
  })
}
