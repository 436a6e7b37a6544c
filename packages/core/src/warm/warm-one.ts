import { CorralError, type Keyspace } from '@corral/connection'
import type { Load } from '../engine/load.ts'
import type { Ttl } from '../entry/ttl.ts'
import type { Stored } from '../protocol/entry-format.ts'
import { decodeEntry } from '../protocol/wire-entry.ts'
import type { WarmOne } from './warm.ts'

/** What warming stands on. */
export interface WarmDeps {
  readonly keyspace: Keyspace
  readonly tier: {
    readonly available: boolean
    get(redisKey: string): Promise<Stored | null>
  }
  /** Whether there is room for cache values. */
  readonly mayStore: () => boolean
  readonly getOrSet: (
    key: string,
    load: Load<unknown>,
    options: {
      readonly ttl?: Ttl
      readonly tags?: readonly string[]
      readonly signal?: AbortSignal
    },
  ) => Promise<unknown>
}

/**
 * Warms one entry through `getOrSet`: its lease keeps other processes from loading the same, and its
 * fill never stores over what came meanwhile. Nothing is loaded that could not be stored.
 */
export function createWarmOne({ keyspace, tier, mayStore, getOrSet }: WarmDeps): WarmOne {
  return async function warmOne({ key, load, value, ttl, tags }, signal) {
    const redisKey = keyspace.key(key)
    // It may be on its first connect, which calls wait for; else this rejects, and nothing is loaded.
    if (!tier.available) await tier.get(redisKey)
    if (!mayStore()) throw notStored('REDIS_FULL', key, 'there is no room for cache values')

    const run = { outcome: 'present' as 'present' | 'skipped' | 'loaded' }
    const loadOnce: Load<unknown> = async (context) => {
      const loaded = load === undefined ? value : await load(context)
      run.outcome = loaded === undefined ? 'skipped' : 'loaded'
      return loaded
    }
    await getOrSet(key, loadOnce, {
      ...(ttl !== undefined && { ttl }),
      ...(tags !== undefined && { tags }),
      ...(signal !== undefined && { signal }),
    })
    if (run.outcome !== 'loaded') return run.outcome

    // `getOrSet` hands the value out whether or not Redis took it; warming is about nothing else.
    const stored = await tier.get(redisKey)
    if (stored !== null && decodeEntry(stored, redisKey).kind === 'entry') return 'stored'
    throw notStored('REDIS_UNAVAILABLE', key, 'Redis did not take it')
  }
}

function notStored(
  code: 'REDIS_UNAVAILABLE' | 'REDIS_FULL',
  key: string,
  why: string,
): CorralError {
  return new CorralError(code, `warm: "${key}" was not stored: ${why}`, { reason: 'refused' })
}
