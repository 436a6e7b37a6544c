import type { Connection } from '@corral/connection'

/** How full the fullest server is. */
export interface MemoryUse {
  /** Bytes that count towards the limit. */
  readonly used: number
  /** `maxmemory` in bytes. */
  readonly limit: number
  /** The server, as `host:port`. */
  readonly node: string
}

/** Keeps a part of Redis's memory free for what must not fail: the queue, locks, sessions, stamps. */
export interface Watermark {
  /**
   * Whether a cache value may be written now. To be read once for each write: that is what makes it
   * ask Redis again, every few seconds and only while something is written.
   */
  readonly mayStore: boolean
  /** Redis refused a write because it is full. */
  full(): void
  close(): void
}

export interface WatermarkDeps {
  readonly connection: Connection
  /** Share of `maxmemory` from which on nothing is stored. Over 0, up to 1. @defaultValue 0.8 */
  readonly share?: number
  /** Told once when storing stops, and once when it goes on; `use` is unknown after {@link Watermark.full}. */
  readonly onChange?: (mayStore: boolean, use: MemoryUse | undefined) => void
  /** From 0 to 1, so that many processes do not ask all at once. @defaultValue Math.random */
  readonly random?: () => number
}

const SHORTEST_MS = 2_000
const LONGEST_MS = 5_000
/** Storing goes on this far below the mark, so that it does not stop and go with every value. */
const SLACK = 0.02

export function createWatermark(deps: WatermarkDeps): Watermark {
  const { connection, share = 0.8, random = Math.random } = deps
  const { clock } = connection
  let stores = true
  let due = true
  let asking = false
  let closed = false
  let refusals = 0

  /** `due` again after a while; the look at the clock is the timer's, not each write's. */
  function rest(): void {
    const ms = SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS)
    clock.setTimer(() => (due = true), ms, { unref: true })
  }

  function turn(to: boolean, use: MemoryUse | undefined): void {
    if (to === stores) return
    stores = to
    if (!to) warn(use, share)
    deps.onChange?.(to, use)
  }

  async function ask(): Promise<void> {
    asking = true
    due = false
    const before = refusals
    try {
      const infos = await connection.info('memory')
      // One that was refused meanwhile knows better.
      if (closed || before !== refusals) return
      const use = fullest(infos)
      if (use === undefined) turn(true, undefined)
      else turn(use.used < use.limit * (stores ? share : share - SLACK), use)
    } catch {
      // Redis is away, and so is everything that could be stored; or an ACL forbids INFO, and then
      // its own refusals are all there is to go by.
      if (before === refusals && !stores) turn(true, undefined)
    } finally {
      asking = false
      if (!closed) rest()
    }
  }

  return {
    get mayStore() {
      if (due && !asking && !closed) void ask()
      return stores
    },
    full() {
      refusals++
      turn(false, undefined)
    },
    close() {
      closed = true
    },
  }
}

/**
 * The server that is nearest to its limit. One that evicts by itself has none: its memory is always
 * full, and what goes is for it to choose.
 */
function fullest(infos: ReadonlyMap<string, string>): MemoryUse | undefined {
  let worst: MemoryUse | undefined
  for (const [node, text] of infos) {
    const limit = figure(text, 'maxmemory')
    if (limit === 0 || !/^maxmemory_policy:noeviction\s*$/m.test(text)) continue
    const used = figure(text, 'used_memory') - figure(text, 'mem_not_counted_for_evict')
    if (worst === undefined || used / limit > worst.used / worst.limit)
      worst = { used, limit, node }
  }
  return worst
}

function figure(text: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

function warn(use: MemoryUse | undefined, share: number): void {
  const where =
    use === undefined
      ? 'Redis refused a write because it is full'
      : `Redis ${use.node} uses ${megabytes(use.used)} of ${megabytes(use.limit)} (maxmemory)`
  process.emitWarning(
    `${where}: cache values are not stored until it uses less than ${Math.round(share * 100)} % of ` +
      'maxmemory. Queues, locks and deletes go on. Give Redis more memory, or entries a shorter ttl.',
    { type: 'CorralWarning', code: 'CORRAL_MEMORY' },
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
