import { CorralError, type Clock } from '@corral/connection'
import type { MemoryTier } from '../../tiers/memory-tier.ts'

/** Switches for what can be wrong with Redis. Each holds until the next one. */
export interface TestRedis {
  /** Refuses every call at once, as while Redis is away. */
  down(): void
  /** Answers no call: each fails when the clock has passed its deadline of 200 ms. */
  hang(): void
  /** Refuses what stores something, as a full Redis does; reads and deletes work. */
  full(): void
  /** Works again. What could not be deleted meanwhile is deleted first. */
  up(): void
  /** Forgets everything, as a Redis that is restarted without its data. */
  empty(): void
  /** Redis keys of what is stored, leases of loads among them. */
  keys(): readonly string[]
}

/** The switches with what they act on. */
export interface SwitchedMemory {
  readonly redis: TestRedis
  readonly tier: MemoryTier
  readonly isReachable: () => boolean
  /** Runs `work` when Redis works again. */
  readonly whenUp: (work: () => unknown) => void
}

type State = 'up' | 'down' | 'hanging' | 'full'

const deadlineMs = 200
/** What takes memory on a server; the rest works on a full one. */
const storing: ReadonlySet<string> = new Set([
  'set',
  'setMany',
  'lease',
  'refresh',
  'fill',
  'expire',
  'increment',
] satisfies (keyof MemoryTier)[])
/** What a tier answers by itself. */
const local: ReadonlySet<string> = new Set([
  'now',
  'close',
  'redisKeys',
  'isEntry',
] satisfies (keyof MemoryTier)[])

function away(reason: string): CorralError {
  return new CorralError('REDIS_UNAVAILABLE', 'the Redis of this test is away', { reason })
}

function full(): CorralError {
  return new CorralError('REDIS_FULL', 'the Redis of this test is full')
}

/** Puts switches before a memory tier. */
export function switchMemory(memory: MemoryTier, clock: Clock): SwitchedMemory {
  const later: (() => unknown)[] = []
  let state: State = 'up'

  function isReachable(): boolean {
    return state === 'up' || state === 'full'
  }

  function noAnswer(): Promise<never> {
    return new Promise((_resolve, reject) => {
      clock.setTimer(() => reject(away('deadline')), deadlineMs)
    })
  }

  /** Deletes are remembered by Corral when Redis does not take them. */
  function remember(name: string, redisKeys: unknown): void {
    if (name !== 'delete' && name !== 'deleteMany') return
    for (const redisKey of [redisKeys].flat()) later.push(() => memory.delete(redisKey as string))
  }

  function call(
    name: string,
    run: (...args: unknown[]) => unknown,
    args: readonly unknown[],
  ): unknown {
    if (name === 'health' && !isReachable()) {
      return (run() as ReturnType<MemoryTier['health']>).then((health) => ({
        ...health,
        status: 'down',
        healthy: false,
        error: 'the Redis of this test is away',
      }))
    }
    if (!isReachable()) remember(name, args[0])
    if (state === 'down') return Promise.reject(away('not-ready'))
    if (state === 'hanging') return noAnswer()
    if (state === 'full' && storing.has(name)) {
      return Promise.reject(full())
    }
    return run(...args)
  }

  /** Structures stand beside the entries; a call on them is done or not, without a wait. */
  const cells: MemoryTier['cells'] = {
    find(redisKey) {
      requireAnswer(false)
      return memory.cells.find(redisKey)
    },
    put(redisKey, structure, ttlMs) {
      requireAnswer(true)
      memory.cells.put(redisKey, structure, ttlMs)
    },
    drop(redisKey) {
      requireAnswer(false)
      memory.cells.drop(redisKey)
    },
  }

  function requireAnswer(stores: boolean): void {
    if (!isReachable()) throw away(state === 'down' ? 'not-ready' : 'deadline')
    if (stores && state === 'full') throw full()
  }

  const tier = new Proxy(memory, {
    get(target, name: string) {
      if (name === 'available') return isReachable() && target.available
      if (name === 'cells') return cells
      const own: unknown = Reflect.get(target, name)
      if (typeof own !== 'function' || local.has(name)) return own
      return (...args: unknown[]) => call(name, own as (...args: unknown[]) => unknown, args)
    },
  })

  const redis: TestRedis = {
    down: () => void (state = 'down'),
    hang: () => void (state = 'hanging'),
    full: () => void (state = 'full'),
    up() {
      state = 'up'
      for (const work of later.splice(0)) work()
    },
    empty() {
      for (const redisKey of memory.redisKeys()) void memory.delete(redisKey)
    },
    keys: () => memory.redisKeys(),
  }
  return { redis, tier, isReachable, whenUp: (work) => void later.push(work) }
}
