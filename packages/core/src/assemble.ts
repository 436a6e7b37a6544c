import type { SourceId } from '@corral/connection'
import type { Cache } from './cache-interface.ts'
import { createCounting } from './counters/counting.ts'
import { createClaims } from './engine/claim.ts'
import { createFailures } from './engine/failures.ts'
import { createGetOrSetMany } from './engine/get-or-set-many.ts'
import { createGetOrSet, createObtain } from './engine/get-or-set.ts'
import { createInvalidating } from './engine/invalidating.ts'
import { createLoadSlots } from './engine/load-slots.ts'
import { createLoading } from './engine/loading.ts'
import { createOutageBuffer } from './engine/outage-buffer.ts'
import { changing, type Parts } from './engine/parts.ts'
import { createReads } from './engine/reads.ts'
import { createRefreshing } from './engine/refreshing.ts'
import { createRemovals } from './engine/removals.ts'
import { createSingleFlight } from './engine/single-flight.ts'
import { createTally } from './engine/tally.ts'
import { createWrites } from './engine/writes.ts'
import { memoryGround, remoteGround, type Ground, type LocalStore } from './ground.ts'
import { createLoadingCache } from './loading/loading-cache.ts'
import type { LoadingOptions } from './loading/loading-options.ts'
import { resolveChildOptions, type ResolvedCacheOptions } from './options.ts'
import { createResolveCall, createResolveSet } from './policy.ts'
import { keepSeam, seamOf } from './seam.ts'
import { createLocalStamps } from './stamps/local-stamp-book.ts'
import { countsOf, createCounters, readStats } from './stats.ts'
import { createStructures } from './structures/structures.ts'
import { createMemoryTier } from './tiers/memory-tier.ts'
import { createWarmOne } from './warm/warm-one.ts'
import { warm } from './warm/warm.ts'

/**
 * Puts a cache together from its parts.
 *
 * @param shared the memory of a parent, for a cache without Redis
 * @param onClosed told when it has ended
 */
export function assembleCache(
  resolved: ResolvedCacheOptions,
  shared?: LocalStore,
  onClosed?: () => void,
): Cache {
  const { keyspace, connection, policy, outage } = resolved
  const { namespace } = keyspace
  const source: SourceId = { kind: 'cache', name: namespace }
  const counters = createCounters()
  const children = new Set<Cache>()

  function* below(): Generator<Parts> {
    for (const child of children) {
      const seam = seamOf(child)
      yield seam
      yield* seam.below()
    }
  }
  function* childPrefixes(): Generator<string> {
    for (const { keyspace } of below()) yield keyspace.prefix
  }

  const failures = createFailures(source, counters, resolved.degrade, () => ground.watermark.full())
  let store = shared
  let ground: Ground
  if (connection === undefined) {
    store ??= { tier: createMemoryTier(resolved.clock), stamps: createLocalStamps() }
    ground = memoryGround(resolved, store, shared === undefined)
  } else ground = remoteGround(resolved, connection, { failures, childPrefixes })
  const { tier, near, watermark } = ground
  const { clock } = tier

  const background = new Set<Promise<unknown>>()
  function inBackground(work: Promise<unknown>): void {
    background.add(work)
    const done = (): void => void background.delete(work)
    work.then(done, done)
  }

  const parts: Parts = {
    source,
    namespace,
    keyspace,
    clock,
    policy,
    tier,
    near,
    watermark,
    stamps: ground.stamps,
    wake: ground.wake,
    journal: ground.journal,
    codec: resolved.codec,
    counters,
    tally: createTally(source, counters, tier.kind, clock),
    failures,
    flights: createSingleFlight(),
    refreshes: createSingleFlight(),
    slots: createLoadSlots(resolved.maxLoads, clock),
    leases: new Set(),
    outage: outage && createOutageBuffer(clock, outage.ttlMs, outage.maxEntries),
    inBackground,
  }
  const resolve = createResolveCall(policy)
  const reads = createReads(parts)
  const writes = createWrites(parts, createResolveSet(policy))
  const removals = createRemovals(parts)
  const claim = createClaims(parts, reads)
  const loading = createLoading(parts, writes)
  const refreshing = createRefreshing(parts, reads, claim, loading)
  const obtain = createObtain(parts, reads, claim, loading, refreshing)
  const getOrSet = createGetOrSet(parts, resolve, obtain)

  const extras = {
    ...parts,
    ttlMs: policy.ttlMs,
    get skewUs() {
      return ground.skewUs
    },
    store: ground.structures,
    changing: (redisKey: string): void => changing(parts, redisKey),
  }
  const warmOne = createWarmOne({ keyspace, tier, mayStore: () => watermark.mayStore, getOrSet })

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    await Promise.all([...children].map((child) => child.close()))
    // Others need not wait for what will not be stored any more.
    for (const lease of parts.leases) lease.giveBack(false)
    await Promise.allSettled(background)
    await ground.end()
  }
  function close(): Promise<void> {
    return (closing ??= end().finally(onClosed))
  }

  const cache: Cache = {
    source,
    counts: () => countsOf(counters),
    namespace,
    connection,
    get: reads.get as Cache['get'],
    getMany: reads.getMany as Cache['getMany'],
    peek: reads.peek as Cache['peek'],
    has: async (key) => (await reads.get(key)) !== undefined,
    ttl: reads.ttl,
    set: writes.set,
    setMany: writes.setMany,
    ...removals,
    getOrSet: getOrSet as Cache['getOrSet'],
    getOrSetMany: createGetOrSetMany(parts, resolve, obtain) as Cache['getOrSetMany'],
    ...createInvalidating(parts, below, ground.invalidation),
    ...createCounting(extras),
    ...createStructures(extras),
    warm: (entries, options) => warm(warmOne, entries, options),
    loading: <T>(options: LoadingOptions<T>) => createLoadingCache<T>(cache, options),
    child(name, options) {
      const forget = (): void => void children.delete(child)
      const child = assembleCache(resolveChildOptions(resolved, name, options), store, forget)
      children.add(child)
      return child
    },
    stats: () => readStats(counters, tier, near?.size ?? 0),
    health: () => tier.health(),
    close,
    [Symbol.asyncDispose]: close,
  }
  keepSeam(cache, { ...parts, connection, resolved, obtain, refreshing, writes, below })
  return cache
}
