import { isCorralError } from '@corral/connection'
import { encodeValue } from '../entry/encode-value.ts'
import type { Ttl } from '../entry/ttl.ts'
import { jittered, staleMsOf, type Policy, type ResolveCall, type SetOptions } from '../policy.ts'
import { requireArray } from '../require-array.ts'
import type { TierWrite } from '../tiers/tier.ts'
import { traceChannel, UNHEARD, type CoreEvents } from '../trace.ts'
import type { HeldLease } from './lease.ts'
import { changing, type Parts } from './parts.ts'

const sets = traceChannel('corral:core:set')

/** One entry of `setMany`. */
export interface SetEntry extends SetOptions {
  readonly key: string
  readonly value: unknown
}

/** The half of a cache that stores. */
export interface Writes {
  readonly set: (key: string, value: unknown, options?: Ttl | SetOptions) => Promise<boolean>
  readonly setMany: (entries: readonly SetEntry[], options?: Ttl | SetOptions) => Promise<boolean[]>
  /** Stores what a loader brought under its lease. Does not reject. */
  readonly fill: (
    key: string,
    lease: HeldLease,
    tail: string,
    ttlMs: number,
  ) => Promise<
    Extract<CoreEvents['corral:core:load']['outcome'], 'stored' | 'superseded' | 'not-stored'>
  >
}

export function createWrites(parts: Parts, resolve: ResolveCall): Writes {
  const { source, namespace, keyspace, tier, clock, codec, stamps, watermark, journal, near } =
    parts
  const { counters, failures, flights } = parts

  function told(key: string, stored: boolean, size: number, ttlMs: number, since: number): boolean {
    if (stored) counters.sets++
    if (since !== UNHEARD && sets.hasSubscribers) {
      sets.publish({ source, namespace, key, stored, size, ttlMs, duration: clock.now() - since })
    }
    return stored
  }

  function draft(key: string, redisKey: string, value: unknown, policy: Policy): TierWrite {
    const { tags } = policy
    const staleMs = staleMsOf(policy)
    const seen = stamps.seen(tags)
    const entry = { redisKey, value, tags, staleMs }
    const tail = encodeValue(key, seen === undefined ? entry : { ...entry, seen }, codec)
    const ttlMs = jittered(policy.ttlMs, policy.jitter) + staleMs
    stamps.noteTtl(ttlMs)
    return { redisKey, tail, ttlMs }
  }

  /**
   * A value that was not stored must not leave the older one readable: the caller has a newer one.
   * While Redis is away that is remembered; else it goes at once.
   */
  async function withdraw(redisKey: string, error: unknown): Promise<void> {
    journal.addKey(redisKey)
    if (isCorralError(error, 'REDIS_UNAVAILABLE')) return
    const began = journal.moment()
    try {
      await tier.delete(redisKey)
      journal.settleKey(redisKey, began)
    } catch (later) {
      failures.note('delete', later)
    }
  }

  function settle(redisKey: string, began: number): void {
    // A read may have overtaken the write on its way, and a load may have begun with what it found.
    near?.drop(redisKey)
    flights.detach(redisKey)
    journal.settleKey(redisKey, began)
  }

  async function set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean> {
    const redisKey = keyspace.key(key)
    const policy = resolve(options)
    if (value === undefined) return false
    const { tail, ttlMs } = draft(key, redisKey, value, policy)
    changing(parts, redisKey)
    const began = journal.moment()
    const since = sets.hasSubscribers ? clock.now() : UNHEARD
    if (!watermark.mayStore) {
      await withdraw(redisKey, undefined)
      return told(key, false, tail.length, ttlMs, since)
    }
    try {
      await tier.set(redisKey, tail, ttlMs)
    } catch (error) {
      await withdraw(redisKey, error)
      failures.absorb('set', error)
      return told(key, false, tail.length, ttlMs, since)
    }
    settle(redisKey, began)
    return told(key, true, tail.length, ttlMs, since)
  }

  async function setMany(
    entries: readonly SetEntry[],
    options?: Ttl | SetOptions,
  ): Promise<boolean[]> {
    requireArray(entries, 'entries')
    const common = resolve(options)
    // All are encoded before the first is sent: a value that cannot be stored leaves nothing half done.
    const drafts: TierWrite[] = []
    const places: number[] = []
    entries.forEach((entry, place) => {
      const { key, value } = entry
      const redisKey = keyspace.key(key)
      const policy = isPlain(entry) ? common : resolve(merged(options, entry))
      if (value === undefined) return
      drafts.push(draft(key, redisKey, value, policy))
      places.push(place)
    })
    for (const { redisKey } of drafts) changing(parts, redisKey)
    const began = journal.moment()

    const since = sets.hasSubscribers ? clock.now() : UNHEARD
    let stored: readonly boolean[]
    let failure: unknown
    const notePart = failures.degrade
      ? (error: unknown): void => {
          failure = error
          failures.note('set', error)
        }
      : undefined
    try {
      stored = watermark.mayStore ? await tier.setMany(drafts, notePart) : []
    } catch (error) {
      failure = error
      failures.note('set', error)
      stored = []
    }
    const results = entries.map(() => false)
    const withdrawn: Promise<void>[] = []
    drafts.forEach(({ redisKey, tail, ttlMs }, index) => {
      const place = places[index] as number
      const done = stored[index] === true
      if (done) settle(redisKey, began)
      else withdrawn.push(withdraw(redisKey, failure))
      results[place] = told((entries[place] as SetEntry).key, done, tail.length, ttlMs, since)
    })
    await Promise.all(withdrawn)
    if (failure !== undefined && !failures.degrade) throw failure
    return results
  }

  const fill: Writes['fill'] = async (key, lease, tail, ttlMs) => {
    stamps.noteTtl(ttlMs)
    const since = sets.hasSubscribers ? clock.now() : UNHEARD
    try {
      const stored = await lease.fill(tail, ttlMs)
      told(key, stored, tail.length, ttlMs, since)
      return stored ? 'stored' : 'superseded'
    } catch (error) {
      if (!isCorralError(error)) throw error
      failures.note('set', error)
      told(key, false, tail.length, ttlMs, since)
      return 'not-stored'
    }
  }

  return { set, setMany, fill }
}

/** Whether an entry has no options of its own. */
function isPlain(entry: SetEntry): boolean {
  for (const name in entry) if (name !== 'key' && name !== 'value') return false
  return true
}

function merged(
  common: Ttl | SetOptions | undefined,
  { key: _key, value: _value, ...own }: SetEntry,
): SetOptions {
  return typeof common === 'object'
    ? { ...common, ...own }
    : { ...(common !== undefined && { ttl: common }), ...own }
}
