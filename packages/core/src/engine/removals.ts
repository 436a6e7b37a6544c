import { traceChannel, UNHEARD } from '../trace.ts'
import { ttlMilliseconds, type Ttl } from '../entry/ttl.ts'
import { requireArray } from '../require-array.ts'
import { changing, type Parts } from './parts.ts'

const deletes = traceChannel('corral:core:delete')

/** The half of a cache that takes single keys away, and moves their ends. */
export interface Removals {
  readonly delete: (key: string) => Promise<boolean>
  readonly deleteMany: (keys: readonly string[]) => Promise<boolean[]>
  readonly expire: (key: string, ttl: Ttl) => Promise<boolean>
}

export function createRemovals(parts: Parts): Removals {
  const { source, namespace, keyspace, tier, clock, journal, near, stamps, counters, failures } =
    parts

  function settle(
    key: string,
    redisKey: string,
    acknowledged: boolean,
    began: number,
    since: number,
  ): boolean {
    // A read may have overtaken the delete on its way.
    near?.drop(redisKey)
    if (acknowledged) {
      counters.deletes++
      journal.settleKey(redisKey, began)
    } else journal.addKey(redisKey)
    if (since !== UNHEARD && deletes.hasSubscribers) {
      deletes.publish({ source, namespace, key, acknowledged, duration: clock.now() - since })
    }
    return acknowledged
  }

  return {
    async delete(key) {
      const redisKey = keyspace.key(key)
      changing(parts, redisKey)
      const began = journal.moment()
      const since = deletes.hasSubscribers ? clock.now() : UNHEARD
      try {
        await tier.delete(redisKey)
      } catch (error) {
        settle(key, redisKey, false, began, since)
        failures.absorb('delete', error)
        return false
      }
      return settle(key, redisKey, true, began, since)
    },

    async deleteMany(keys) {
      requireArray(keys, 'keys')
      const redisKeys = keys.map((key) => keyspace.key(key))
      for (const redisKey of redisKeys) changing(parts, redisKey)
      const began = journal.moment()
      const since = deletes.hasSubscribers ? clock.now() : UNHEARD
      let gone: readonly boolean[]
      let failure: unknown
      const notePart = failures.degrade
        ? (error: unknown): void => failures.note('delete', error)
        : undefined
      try {
        gone = await tier.deleteMany(redisKeys, notePart)
      } catch (error) {
        failure = error
        gone = []
      }
      const results = keys.map((key, index) =>
        settle(key, redisKeys[index] as string, gone[index] === true, began, since),
      )
      if (failure !== undefined) failures.absorb('delete', failure)
      return results
    },

    async expire(key, ttl) {
      const redisKey = keyspace.key(key)
      const ttlMs = ttlMilliseconds(ttl)
      stamps.noteTtl(ttlMs)
      near?.drop(redisKey)
      try {
        return await tier.expire(redisKey, ttlMs)
      } catch (error) {
        failures.absorb('expire', error)
        return false
      } finally {
        near?.drop(redisKey)
      }
    },
  }
}
