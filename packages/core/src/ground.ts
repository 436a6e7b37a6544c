import type { Connection } from '@corral/connection'
import { onInvalidationFailure, type Invalidation } from './engine/invalidating.ts'
import type { Parts, PendingChanges } from './engine/parts.ts'
import { createPollingWake } from './engine/polling-wake.ts'
import { createInvalidation } from './invalidation/invalidation.ts'
import { createWatermark } from './memory/watermark.ts'
import { createNearTier } from './near/near-tier.ts'
import type { ResolvedCacheOptions } from './options.ts'
import { createLocalStampBook, type LocalStamps } from './stamps/local-stamp-book.ts'
import { createStampBook } from './stamps/stamp-book.ts'
import { createMemoryStructures } from './structures/memory-structures.ts'
import { createRemoteStructures } from './structures/remote-structures.ts'
import type { StructureStore } from './structures/structure-store.ts'
import { createMemoryInvalidation } from './tiers/memory-invalidation.ts'
import type { MemoryTier } from './tiers/memory-tier.ts'
import { createRemoteTier } from './tiers/remote-tier.ts'
import { createWake } from './wake/wake.ts'

/** What a cache stands on, be it Redis or this process's memory. */
export interface Ground extends Pick<
  Parts,
  'tier' | 'stamps' | 'near' | 'wake' | 'journal' | 'watermark'
> {
  readonly structures: StructureStore
  readonly invalidation: Invalidation
  /** What two clocks may be apart that an entry and its stamps are from, µs. */
  readonly skewUs: number
  readonly end: () => Promise<void>
}

/** The memory of a cache without Redis, which its children share. */
export interface LocalStore {
  readonly tier: MemoryTier
  readonly stamps: LocalStamps
}

const nothingPending: PendingChanges = {
  idle: true,
  bypasses: () => false,
  addKey: () => undefined,
  moment: () => 0,
  settleKey: () => undefined,
}

/** @param owned whether the memory ends with the cache */
export function memoryGround(
  { keyspace }: ResolvedCacheOptions,
  { tier, stamps }: LocalStore,
  owned: boolean,
): Ground {
  const book = createLocalStampBook(keyspace.namespace, tier.clock, stamps)
  return {
    tier,
    stamps: book,
    near: undefined,
    wake: createPollingWake(tier.clock),
    journal: nothingPending,
    watermark: { mayStore: true, full: () => undefined },
    structures: createMemoryStructures(tier.cells),
    invalidation: createMemoryInvalidation(keyspace, tier, book),
    skewUs: 0,
    end: async () => {
      if (owned) await tier.close()
    },
  }
}

export function remoteGround(
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
    structures: createRemoteStructures(connection),
    invalidation,
    get skewUs() {
      return connection.isCluster ? clockSkewMs * 1_000 : 0
    },
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
