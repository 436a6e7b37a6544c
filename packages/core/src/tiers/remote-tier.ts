import { isCorralError, type Argument, type BulkOptions, type Connection } from '@corral/connection'
import { removeScript, storeScript } from './entry-scripts.ts'
import type { OnPartialFailure, Tier } from './tier.ts'

const overwrite = '0'
const stringsOnly = '1'
const noArguments: readonly Argument[] = []

/** Redis, over a connection that this tier closes with itself (a borrowed client stays open). */
export function createRemoteTier(connection: Connection): Tier {
  return {
    kind: 'remote',
    clock: connection.clock,
    get available() {
      return connection.available
    },
    get: (redisKey) => connection.get(redisKey),
    getMany: (redisKeys, onPartialFailure) => connection.getMany(redisKeys, bulk(onPartialFailure)),
    set: (redisKey, tail, ttlMs) =>
      connection.scriptEach(storeScript, redisKey, [wireTtl(ttlMs), overwrite, tail]),
    fill: (redisKey, tail, ttlMs) =>
      connection.scriptEach(storeScript, redisKey, [wireTtl(ttlMs), stringsOnly, tail]),
    async setMany(writes, onPartialFailure) {
      const keys: string[] = []
      const args: Argument[] = []
      for (const { redisKey, tail, ttlMs } of writes) {
        keys.push(redisKey)
        args.push(wireTtl(ttlMs), overwrite, tail)
      }
      return done(
        await connection.scriptMany(storeScript, keys, args, bulk(onPartialFailure)),
        onPartialFailure,
      )
    },
    delete: (redisKey) => connection.scriptEach(removeScript, redisKey, noArguments),
    async deleteMany(redisKeys, onPartialFailure) {
      const replies = await connection.scriptMany(
        removeScript,
        redisKeys,
        noArguments,
        bulk(onPartialFailure),
      )
      return done(replies, onPartialFailure)
    },
    async remaining(redisKey) {
      const left = Number(await connection.read({ name: 'PTTL', key: redisKey }))
      if (left === -2) return undefined
      return left === -1 ? Infinity : left
    },
    async usage() {
      const [keyspace, memory, health] = await Promise.all([
        connection.info('keyspace'),
        connection.info('memory'),
        connection.health(),
      ])
      return {
        keys: sum(keyspace, /^db\d+:keys=(\d+)/gm),
        memory: sum(memory, /^used_memory:(\d+)/gm),
        reconnectAttempts: health.reconnectAttempts,
      }
    },
    health: () => connection.health(),
    close: () => connection.close(),
  }
}

function bulk(onPartialFailure: OnPartialFailure | undefined): BulkOptions | undefined {
  return onPartialFailure && { onPartialFailure }
}

/** Which elements were done: `null` stands for a chunk that failed, an error for a key that did. */
function done(
  replies: readonly unknown[],
  onPartialFailure: OnPartialFailure | undefined,
): boolean[] {
  return replies.map((reply) => {
    if (isCorralError(reply)) onPartialFailure?.(reply)
    return reply !== null && !(reply instanceof Error)
  })
}

/** As PX takes it: whole and at least 1; 0 = without end. */
function wireTtl(ttlMs: number): number {
  return ttlMs === Infinity ? 0 : Math.max(1, Math.ceil(ttlMs))
}

/** Adds up a figure over all databases and nodes. */
function sum(info: ReadonlyMap<string, string>, figure: RegExp): number {
  let total = 0
  for (const text of info.values()) {
    for (const found of text.matchAll(figure)) total += Number(found[1])
  }
  return total
}
