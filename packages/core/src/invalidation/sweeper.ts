import { escapeGlob, type Argument, type Connection, isCorralError } from '@corral/connection'
import { SWEEP_ARGS, sweepArgs, sweepScript } from '../protocol/sweep-script.ts'
import { SCAN_COUNT, sum } from './remove-keys.ts'

/** What a stamp has made worthless. */
export interface SweepJob {
  /** µs. */
  readonly stamp: number
  /** The namespaces below as well. */
  readonly deep: boolean
}

/** Frees the memory of what `clear()` has killed; readers do not wait for it. */
export interface Sweeper {
  /**
   * Sweeps behind the caller's back, once for all that is asked for while a sweep runs. Resolves
   * with how many keys went when everything older than the stamp is gone; rejects with a
   * `CorralError` when Redis went away meanwhile, but goes on when it is back.
   */
  start(job: SweepJob): Promise<number>
  readonly running: boolean
  /** Stops after the page that it is at. */
  close(): Promise<void>
}

export interface SweeperDeps {
  readonly connection: Connection
  readonly namespace: string
  /** What the clocks of a cluster's servers may differ. @defaultValue 250 */
  readonly clockSkewMs?: number
  /**
   * The prefixes of children that this process knows. Below the namespace, where another program's
   * keys may look like a child's, only what carries a time is swept elsewhere.
   */
  readonly childPrefixes?: () => Iterable<string>
}

/** It looks into every key: under 0.2 ms of the server's time. */
const KEYS_PER_SCRIPT = 50

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000

interface Waiter {
  readonly stamp: number
  readonly deep: boolean
  resolve(removed: number): void
  reject(error: unknown): void
}

export function createSweeper(deps: SweeperDeps): Sweeper {
  const { connection, namespace, clockSkewMs = 250, childPrefixes = () => [] } = deps
  const { clock } = connection
  const own = `${namespace}::`
  let wanted: SweepJob | undefined
  let waiters: Waiter[] = []
  let running: Promise<void> | undefined
  let failures = 0
  let closed = false
  let wakeUp = (): void => {}

  /** Which prefix makes a key ours to sweep, and whether what carries no time goes as well. */
  function claim(
    key: string,
    deep: boolean,
    children: ReadonlySet<string>,
  ): [prefix: string, timeless: boolean] | undefined {
    if (key.startsWith(own)) return [own, true]
    if (!deep || !key.startsWith(`${namespace}:`)) return undefined
    const end = key.indexOf('::', namespace.length + 1)
    if (end < 0) return undefined
    const prefix = key.slice(0, end + 2)
    return [prefix, children.has(prefix)]
  }

  /**
   * One SCAN over everything. Each page is awaited before the next is asked for, so that the callers
   * of this process and the server's other clients come between.
   */
  async function pass({ stamp, deep }: SweepJob): Promise<number> {
    const skewUs = connection.isCluster ? clockSkewMs * 1000 : 0
    const children = new Set(childPrefixes())
    const pattern = `${escapeGlob(deep ? `${namespace}:` : own)}*`
    let removed = 0
    for await (const page of connection.scan(pattern, { count: SCAN_COUNT })) {
      const keys: string[] = []
      const args: Argument[] = []
      for (const key of page) {
        // Rights on key patterns do not filter SCAN: the prefix is checked here and by the script.
        const claimed = claim(key, deep, children)
        if (claimed === undefined) continue
        keys.push(key)
        args.push(...sweepArgs(stamp, skewUs, ...claimed))
      }
      for (let at = 0; at < keys.length; at += KEYS_PER_SCRIPT) {
        const part = keys.slice(at, at + KEYS_PER_SCRIPT)
        const partArgs = args.slice(at * SWEEP_ARGS, (at + part.length) * SWEEP_ARGS)
        removed += sum(await connection.scriptMany(sweepScript, part, partArgs))
      }
      if (closed) break
    }
    return removed
  }

  function settle(job: SweepJob, tell: (waiter: Waiter) => void): void {
    const covered = (waiter: Waiter): boolean =>
      waiter.stamp <= job.stamp && (job.deep || !waiter.deep)
    const told = waiters.filter(covered)
    waiters = waiters.filter((waiter) => !covered(waiter))
    for (const waiter of told) tell(waiter)
  }

  /** Until Redis is back, or time for another try has come. */
  function pause(): Promise<void> {
    const ms = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures++, 10))
    return new Promise((resolve) => {
      const done = (): void => {
        clock.clearTimer(timer)
        stop()
        resolve()
      }
      const stop = connection.onAvailability((available) => {
        if (available) done()
      })
      const timer = clock.setTimer(done, ms, { unref: true })
      wakeUp = done
    })
  }

  async function run(): Promise<void> {
    while (wanted !== undefined && !closed) {
      const job = wanted
      wanted = undefined
      try {
        const removed = await pass(job)
        failures = 0
        settle(job, (waiter) => waiter.resolve(removed))
      } catch (error) {
        settle(job, (waiter) => waiter.reject(error))
        // What Redis refuses for another reason than being away, it will refuse again.
        if (!isCorralError(error, 'REDIS_UNAVAILABLE')) continue
        wanted = join(wanted, job)
        if (!closed) await pause()
      }
    }
    running = undefined
  }

  return {
    get running() {
      return running !== undefined
    },
    start(job) {
      if (closed) return Promise.resolve(0)
      wanted = join(wanted, job)
      const done = new Promise<number>((resolve, reject) => {
        waiters.push({ ...job, resolve, reject })
      })
      // Whoever does not wait for it is not told.
      done.catch(() => {})
      running ??= run()
      return done
    },
    async close() {
      closed = true
      wakeUp()
      await running
      settle({ stamp: Infinity, deep: true }, (waiter) => waiter.resolve(0))
    },
  }
}

function join(one: SweepJob | undefined, other: SweepJob): SweepJob {
  if (one === undefined) return other
  return { stamp: Math.max(one.stamp, other.stamp), deep: one.deep || other.deep }
}
