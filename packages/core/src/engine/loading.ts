import { decodedCopy, encodeValue } from '../entry/encode-value.ts'
import { schemaMismatch } from '../errors.ts'
import { jittered, staleMsOf, type Policy } from '../policy.ts'
import { checkSchema, describeIssues } from '../schema/standard-schema.ts'
import { traceChannel, type CoreEvents } from '../trace.ts'
import type { HeldLease } from './lease.ts'
import { createLoadRun, type Load, type LoadRun } from './load.ts'
import { createLossyValues } from './lossy-values.ts'
import type { OutageBuffer } from './outage-buffer.ts'
import type { Parts } from './parts.ts'
import { startLoading, type Flight } from './single-flight.ts'
import type { Writes } from './writes.ts'

const loads = traceChannel('corral:core:load')

type Outcome = CoreEvents['corral:core:load']['outcome']

/** One key on its way to a value. */
export interface Job {
  readonly key: string
  readonly redisKey: string
  readonly load: Load<unknown>
  readonly policy: Policy
  readonly flight: Flight
  /** Its loader takes part in a call for many keys, which has a place of its own among the loads. */
  readonly gathered: boolean
  /** Somebody has a value already, and nobody waits. */
  readonly behind: boolean
}

/** Runs loaders. */
export interface Loading {
  /**
   * Loads, and stores under the lease if there is one. The value is handed out when it is on its way
   * to Redis, not when it has arrived: what this process asks for next comes behind it.
   */
  readonly run: (job: Job, lease: HeldLease | undefined, stale: unknown) => Promise<unknown>
  /** Redis cannot be asked: what was loaded a moment ago, or a load for the moment to come. */
  readonly withoutRedis: (job: Job) => Promise<unknown>
}

export function createLoading(parts: Parts, writes: Writes): Loading {
  const { source, namespace, clock, codec, stamps, counters, slots, outage, watermark } = parts

  const tellLoss = createLossyValues(namespace)

  function tellLoad({ key, behind }: Job, outcome: Outcome, started: number): void {
    if (loads.hasSubscribers) {
      loads.publish({ source, namespace, key, outcome, behind, duration: clock.now() - started })
    }
  }

  async function callLoader(job: Job, run: LoadRun): Promise<unknown> {
    if (job.gathered) return job.load(run.context)
    await slots.take()
    try {
      if (job.flight.abandoned !== undefined) throw job.flight.abandoned.reason
      counters.loads++
      return await job.load(run.context)
    } finally {
      slots.free()
    }
  }

  /** What everybody will read who comes later, as the schema has it. */
  async function handedOut(job: Job, tail: string, loaded?: unknown): Promise<unknown> {
    const { key, redisKey, policy } = job
    const copy = decodedCopy(redisKey, tail, codec)
    if (loaded !== undefined) tellLoss?.(key, loaded, copy)
    if (policy.schema === undefined) return copy
    const result = await checkSchema(policy.schema, copy)
    if (result.issues !== undefined) throw schemaMismatch(key, describeIssues(result.issues))
    return result.value
  }

  async function run(
    job: Job,
    lease: HeldLease | undefined,
    stale: unknown,
    buffer?: OutageBuffer,
  ): Promise<unknown> {
    const { key, redisKey, policy, flight } = job
    const loadRun = createLoadRun(key, policy, flight, stale)
    // Stamps that come while it loads are not among them, and so kill what it brings.
    const seen = stamps.seen(policy.tags)
    const mark = buffer?.mark(redisKey) ?? 0
    const started = clock.now()
    flight.lease = lease
    startLoading(flight)
    try {
      const value = await callLoader(job, loadRun)
      if (value === undefined) {
        lease?.giveBack(false)
        tellLoad(job, 'skipped', started)
        return undefined
      }
      const { ttlMs, tags } = loadRun
      const staleMs = ttlMs === Infinity ? 0 : staleMsOf(policy)
      const costMs = clock.now() - started
      const draft = { redisKey, value, tags, staleMs, costMs }
      const known = tags === policy.tags ? seen : seenBase(seen, tags)
      const tail = encodeValue(key, known === undefined ? draft : { ...draft, seen: known }, codec)
      const result = await handedOut(job, tail, value)
      const skipped = loadRun.skipped || policy.filter?.(value as never) === false
      const physicalMs = jittered(ttlMs, policy.jitter) + staleMs
      if (skipped || flight.superseded || flight.abandoned !== undefined) {
        lease?.giveBack(false)
        tellLoad(job, skipped ? 'skipped' : 'superseded', started)
      } else if (lease === undefined) {
        buffer?.keep(redisKey, tail, ttlMs, mark)
        tellLoad(job, 'not-stored', started)
      } else store(job, lease, tail, physicalMs, started)
      return result
    } catch (error) {
      lease?.giveBack(true)
      tellLoad(job, 'failed', started)
      throw error
    }
  }

  function store(job: Job, lease: HeldLease, tail: string, ttlMs: number, started: number): void {
    if (!watermark.mayStore) {
      lease.giveBack(false)
      tellLoad(job, 'not-stored', started)
      return
    }
    const filled = writes.fill(job.key, lease, tail, ttlMs)
    parts.inBackground(filled.then((outcome) => tellLoad(job, outcome, started)))
  }

  async function withoutRedis(job: Job): Promise<unknown> {
    const { key, redisKey } = job
    const kept = outage?.get(redisKey)
    if (kept === undefined) return run(job, undefined, undefined, outage)
    counters.outageHits++
    if (outageHits.hasSubscribers) outageHits.publish({ source, namespace, key })
    return handedOut(job, kept)
  }

  return { run, withoutRedis }
}

const outageHits = traceChannel('corral:core:outage-hit')

/** Tags that came while it loaded count as not seen: an invalidation meanwhile kills the entry. */
function seenBase(
  seen: readonly number[] | undefined,
  tags: readonly string[],
): readonly number[] | undefined {
  return seen && [seen[0] ?? 0, ...tags.map(() => 0)]
}
