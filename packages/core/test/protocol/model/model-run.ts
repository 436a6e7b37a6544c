import { refreshLeaseKey } from '../../../src/protocol/index.ts'
import type { Command } from './command.ts'
import { NAMESPACE, stampsOf, type Client } from './flows.ts'
import type { Guards } from './guards.ts'
import { Violation } from './ledger.ts'
import { createMiniRedis, type MiniRedis } from './mini-redis.ts'
import { runOnModel } from './model-scripts.ts'
import { createWorld, overwrites, type Option, type World } from './world.ts'

export interface Scenario {
  readonly keys: readonly string[]
  readonly tags?: readonly string[]
  /** Adds flows; each call to `client` is one process. */
  readonly start: (add: World['add'], client: () => Client) => void
  readonly faults?: boolean
  /** µs by which the clock of a key's node is off. */
  readonly offsets?: (key: string) => number
  readonly skewUs?: number
}

export interface ModelRun {
  readonly trace: readonly string[]
  /** How many options there were at each step. */
  readonly widths: readonly number[]
}

/** Plays one order of events; `choose` picks among so many options. Throws a Violation with the trace. */
export function runModel(
  scenario: Scenario,
  guards: Guards,
  choose: (width: number) => number,
): ModelRun {
  const redis = createMiniRedis(scenario.offsets)
  const skewUs = guards.has('skew') ? (scenario.skewUs ?? 0) : 0
  const { keys, tags = ['t'], faults = false } = scenario
  const world = createWorld({ guards, skewUs, faults, keys, tags, now: redis.now })
  scenario.start(world.add, world.client)
  const widths: number[] = []
  try {
    for (let options = world.options(); options.length > 0; options = world.options()) {
      widths.push(options.length)
      play(redis, guards, world, options[choose(options.length)] as Option)
      inspect(redis, world, keys, skewUs)
    }
  } catch (error) {
    if (error instanceof Violation) error.message += `\n${world.trace.join('\n')}`
    throw error
  }
  return { trace: world.trace, widths }
}

function play(redis: MiniRedis, guards: Guards, world: World, option: Option): void {
  const command = world.command(option)
  redis.advance(option.kind === 'give-up' ? 60_000 : option.kind === 'time-passes' ? 150_000 : 7)
  const reply = command && execute(redis, guards, world, command)
  world.settle(option, reply)
}

function execute(redis: MiniRedis, guards: Guards, world: World, command: Command): unknown {
  for (const key of overwrites(command)) world.ledger.listReplaced(key)
  switch (command.do) {
    case 'run':
      return runOnModel(redis, guards, command.script, command.request as never)
    case 'get':
      return redis.cell(command.key)?.type === 'string' ? redis.cell(command.key)?.text : undefined
    case 'stamps':
      return command.keys.map((key) => Number(redis.cell(key)?.text ?? 0))
    case 'scan':
      return [...redis.cells.keys()].filter((key) => key.startsWith(`${NAMESPACE}::`))
    case 'foreign-set':
      redis.set(command.key, command.text)
      return 'OK'
    case 'foreign-delete':
      return redis.cells.delete(command.key)
    case 'foreign-list':
      redis.cells.set(command.key, { type: 'list', text: '', endsAt: undefined })
      world.ledger.released(command.key)
      world.ledger.listPlaced(command.key)
      return 1
    case 'memory':
      redis.full = command.full
      return undefined
    case 'load':
      return world.ledger.load(command.key)
    case 'change':
      return world.ledger.change(command.key)
  }
}

function inspect(redis: MiniRedis, world: World, keys: readonly string[], skewUs: number): void {
  if (redis.overruns.length > 0)
    throw new Violation(`stored past the limit: ${redis.overruns.join()}`)
  const stamps = stampsOf((key) => Number(redis.cell(key)?.text ?? 0))
  for (const key of keys) {
    const cell = redis.cell(key)
    const sight = { type: cell?.type ?? 'none', text: cell?.text ?? '' } as const
    world.ledger.sawText(key, sight.text)
    world.ledger.sawText(refreshLeaseKey(key), redis.cell(refreshLeaseKey(key))?.text ?? '')
    world.ledger.check(key, sight, stamps, skewUs)
  }
}

export interface Exploration {
  readonly orders: number
  /** The first order that broke a promise: which option was chosen at each step. */
  readonly path?: readonly number[]
  readonly violation?: Violation
}

/** Plays every order of events of a small scenario, up to the first that breaks a promise. */
export function exploreAll(scenario: Scenario, guards: Guards, limit = 2_000_000): Exploration {
  const path: number[] = []
  for (let orders = 1; orders <= limit; orders++) {
    const played: number[] = []
    let widths: readonly number[]
    try {
      const choose = (): number => {
        const choice = path[played.length] ?? 0
        played.push(choice)
        return choice
      }
      widths = runModel(scenario, guards, choose).widths
    } catch (error) {
      if (error instanceof Violation) return { orders, path: played, violation: error }
      throw error
    }
    while (path.length < widths.length) path.push(0)
    while (path.length > 0 && (path.at(-1) as number) + 1 >= (widths[path.length - 1] as number)) {
      path.pop()
    }
    if (path.length === 0) return { orders }
    path.push((path.pop() as number) + 1)
  }
  throw new Error(`more than ${limit} orders`)
}
