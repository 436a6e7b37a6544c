import type { Connection } from '@corral/connection'
import type { Cache } from './cache.ts'
import { createClaims } from './engine/claim.ts'
import { createFailures } from './engine/failures.ts'
import { createGetOrSetMany } from './engine/get-or-set-many.ts'
import { createGetOrSet, createObtain } from './engine/get-or-set.ts'
import {
  createInvalidating,
  onInvalidationFailure,
  type Invalidation,
} from './engine/invalidating.ts'
import { createLoadSlots } from './engine/load-slots.ts'
import { createLoading } from './engine/loading.ts'
import { createOutageBuffer } from './engine/outage-buffer.ts'
import type { Parts, PendingChanges } from './engine/parts.ts'
import { createPollingWake } from './engine/polling-wake.ts'
import { createReads } from './engine/reads.ts'
import { createRefreshing } from './engine/refreshing.ts'
import { createRemovals } from './engine/removals.ts'
import { createSingleFlight } from './engine/single-flight.ts'
import { createTally } from './engine/tally.ts'
import { createWrites } from './engine/writes.ts'
import { createInvalidation } from './invalidation/invalidation.ts'
import { createWatermark } from './memory/watermark.ts'
import { createNearTier, type NearTier } from './near/near-tier.ts'
import { resolveChildOptions, type ResolvedCacheOptions } from './options.ts'
import { createResolveCall } from './policy.ts'
import { keepSeam, seamOf } from './seam.ts'
import {
  createLocalStampBook,
  createLocalStamps,
  type LocalStamps,
} from './stamps/local-stamp-book.ts'
import { createStampBook, type StampBook } from './stamps/stamp-book.ts'
import { createCounters, readStats } from './stats.ts'
import { createMemoryInvalidation } from './tiers/memory-invalidation.ts'
import { createMemoryTier, type MemoryTier } from './tiers/memory-tier.ts'
import { createRemoteTier } from './tiers/remote-tier.ts'
import type { Tier } from './tiers/tier.ts'
import { createWake, type Wake } from './wake/wake.ts'

/** The memory of a cache without Redis, which its children share. */
export interface LocalStore {
  readonly tier: MemoryTier
  readonly stamps: LocalStamps
}

/** What a cache stands on, whether that is Redis or memory. */
interface Ground {
  readonly tier: Tier
  readonly stamps: StampBook
  readonly near: NearTier | undefined
  readonly wake: Wake
  readonly journal: PendingChanges
  readonly watermark: Parts['watermark']
  readonly invalidation: Invalidation
  readonly end: () => Promise<void>
}

const nothingPending: PendingChanges = {
  bypasses: () => false,
  addKey: () => undefined,
  moment: () => 0,
  settleKey: () => undefined,
}

function memoryGround(
  { keyspace }: ResolvedCacheOptions,
  store: LocalStore,
  isChild: boolean,
): Ground {
  const { tier } = store
  const stamps = createLocalStampBook(keyspace.namespace, tier.clock, store.stamps)
  return {
    tier,
    stamps,
    near: undefined,
    wake: createPollingWake(tier.clock),
    journal: nothingPending,
    watermark: { mayStore: true, full: () => undefined },
    invalidation: createMemoryInvalidation(keyspace, tier, stamps),
    end: async () => {
      if (!isChild) await tier.close()
    },
  }
}

function remoteGround(
  resolved: ResolvedCacheOptions,
  connection: Connection,
  deps: Pick<Parts, 'failures'> & { readonly childPrefixes: () => Iterable<string> },
): Ground {
  const { keyspace, policy, clockSkewMs } = resolved
  const { namespace, prefix } = keyspace
  const book = createStampBook({ connection, namespace, clockSkewMs, ttlMs: policy.ttlMs })
  const near =
    resolved.near && createNearTier({ connection, prefix, book, clockSkewMs, ...resolved.near })
  const wake = createWake({ connection, prefix })
  const invalidation = createInvalidation({
    connection,
    keyspace,
    book,
    near,
    clockSkewMs,
    childPrefixes: deps.childPrefixes,
    onFailure: onInvalidationFailure(deps),
  })
  const watermark = createWatermark({ connection, share: resolved.maxMemoryShare })
  const tier = createRemoteTier(connection)
  return {
    tier,
    stamps: book,
    near,
    wake,
    journal: invalidation.journal,
    watermark,
    invalidation,
    async end() {
      await invalidation.close()
      near?.close()
      wake.close()
      watermark.close()
      book.close()
      await tier.close()
    },
  }
}

/**
 * Puts a cache together from its parts.
 *
 * @param parentStore the memory that a child shares with its parent
 */
export function assembleCache(resolved: ResolvedCacheOptions, parentStore?: LocalStore): Cache {
  const { keyspace, connection, policy, degrade, codec, outage } = resolved
  const { namespace } = keyspace
  const counters = createCounters()
  const failures = createFailures(namespace, counters, degrade, () => ground.watermark.full())
  const children = new Set<Cache>()

  function* childPrefixes(): Generator<string> {
    for (const child of children) {
      yield `${child.namespace}::`
      yield* seamOf(child).childPrefixes()
    }
  }

  const store: LocalStore | undefined =
    connection === undefined
      ? (parentStore ?? { tier: createMemoryTier(resolved.clock), stamps: createLocalStamps() })
      : undefined
  const ground =
    connection === undefined || store !== undefined
      ? memoryGround(resolved, store as LocalStore, parentStore !== undefined)
      : remoteGround(resolved, connection, { failures, childPrefixes })
  const { tier, stamps, near, wake, journal } = ground
  const { clock } = tier

  const background = new Set<Promise<unknown>>()
  function inBackground(work: Promise<unknown>): void {
    background.add(work)
    const done = (): void => void background.delete(work)
    work.then(done, done)
  }

  const parts: Parts = {
    namespace,
    keyspace,
    tier,
    clock,
    policy,
    codec,
    stamps,
    near,
    wake,
    journal,
    watermark: ground.watermark,
    counters,
    tally: createTally(namespace, counters, tier.kind, clock),
    failures,
    flights: createSingleFlight(),
    refreshes: createSingleFlight(),
    slots: createLoadSlots(resolved.maxLoads),
    leases: new Set(),
    outage: outage && createOutageBuffer(clock, outage.ttlMs, outage.maxEntries),
    inBackground,
  }
  const resolve = createResolveCall(policy)
  const reads = createReads(parts)
  const writes = createWrites(parts, resolve)
  const removals = createRemovals(parts)
  const claim = createClaims(parts, reads)
  const loading = createLoading(parts, writes)
  const refreshing = createRefreshing(parts, reads, claim, loading)
  const obtain = createObtain(parts, reads, claim, loading, refreshing)
  const invalidating = createInvalidating(parts, ground.invalidation)

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    await Promise.all([...children].map((child) => child.close()))
    for (const lease of [...parts.leases]) lease.giveBack(false)
    await Promise.allSettled(background)
    await ground.end()
  }
  function close(): Promise<void> {
    return (closing ??= end())
  }

  const cache: Cache = {
    namespace,
    connection,
    get: reads.get as Cache['get'],
    getMany: reads.getMany as Cache['getMany'],
    peek: reads.peek as Cache['peek'],
    has: async (key) => (await reads.get(key)) !== undefined,
    ttl: reads.ttl,
    set: writes.set,
    setMany: writes.setMany,
    delete: removals.delete,
    deleteMany: removals.deleteMany,
    expire: removals.expire,
    getOrSet: createGetOrSet(parts, resolve, obtain) as Cache['getOrSet'],
    getOrSetMany: createGetOrSetMany(parts, resolve, obtain) as Cache['getOrSetMany'],
    ...invalidating,
    child(name, options) {
      const child = assembleCache(resolveChildOptions(resolved, name, options), store)
      children.add(child)
      return child
    },
    stats: () => readStats(counters, tier, near?.size ?? 0),
    health: () => tier.health(),
    close,
    [Symbol.asyncDispose]: close,
  }
  keepSeam(cache, { ...parts, connection, resolved, obtain, writes, childPrefixes })
  return cache
}
