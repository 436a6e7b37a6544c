import type { Connection } from '@corral/connection'
import { LRUCache } from 'lru-cache'
import type { LedgerKeys } from './ledger-keys.ts'
import { isStamp, parseStamp } from './ledger-keys.ts'
import type { Ledger } from './ledger.ts'
import { createPendingRevocations } from './pending-revocations.ts'
import { beginScript, revokeScript } from './revoke-script.ts'
import { createStampCopies } from './stamp-copies.ts'
import { createStampReads } from './stamp-reads.ts'

/** Stamps that are remembered for an outage. */
const MOST_REMEMBERED = 10_000
const MOST_PENDING = 10_000

/** @param copies how many stamps may be copied; `undefined`: none, every read asks Redis */
export function createRedisLedger(
  connection: Connection,
  keys: LedgerKeys,
  copies: number | undefined,
): Ledger {
  const near = copies === undefined ? undefined : createStampCopies(connection, keys.prefix, copies)
  const remembered = new LRUCache<string, number>({ max: MOST_REMEMBERED })
  let newestKnown = 0

  function remember(key: string, stamp: number): void {
    // What could not be read now may be mended.
    if (stamp === Infinity) return
    newestKnown = Math.max(newestKnown, stamp)
    if (stamp > (remembered.get(key) ?? 0)) remembered.set(key, stamp)
  }

  async function send(key: string, ttlMs: number): Promise<void> {
    near?.drop(key)
    const reply = await connection.script(revokeScript, [keys.newest, key], [Math.ceil(ttlMs)])
    // A read that was answered before the stamp may have come in behind.
    near?.drop(key)
    remember(key, parseStamp(String(reply)))
  }

  const pending = createPendingRevocations(connection, keys.all, send, MOST_PENDING)
  const reads = createStampReads(connection, {
    known: (key) => remembered.get(key) ?? 0,
    remember,
  })

  function local(key: string): number {
    return pending.has(key) ? Infinity : (remembered.get(key) ?? 0)
  }

  async function ask(asked: readonly string[], keep: boolean): Promise<number[]> {
    const keepCopies = keep && near !== undefined ? asked.map((key) => near.reading(key)) : []
    let stamps: readonly number[] = []
    try {
      stamps = await reads.read(asked)
    } finally {
      keepCopies.forEach((keepCopy, index) => keepCopy(stamps[index]))
    }
    return stamps.map((stamp, index) => Math.max(stamp, local(asked[index] as string)))
  }

  return {
    read(asked, keep) {
      if (near !== undefined) {
        const stamps: number[] = []
        for (const key of asked) {
          const copy = near.get(key)
          if (copy === undefined) break
          stamps.push(pending.has(key) ? Infinity : copy)
        }
        if (stamps.length === asked.length) return stamps
      }
      return ask(asked, keep)
    },
    async newest() {
      let stamp = Number(await connection.get(keys.newest))
      if (!isStamp(stamp)) stamp = Number(await connection.script(beginScript, [keys.newest], []))
      newestKnown = Math.max(newestKnown, stamp)
      return stamp
    },
    async revoke(key, ttlMs) {
      const moment = pending.moment()
      try {
        await send(key, ttlMs)
      } catch (error) {
        pending.add(key, ttlMs)
        throw error
      }
      pending.settle(key, moment)
    },
    known: local,
    get newestKnown() {
      return newestKnown
    },
    async close() {
      await pending.close()
      near?.close()
    },
  }
}
