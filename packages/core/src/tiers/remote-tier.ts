import {
  CorralError,
  isCorralError,
  type Argument,
  type BulkOptions,
  type Connection,
} from '@corral/connection'
import { removeScript, storeScript } from './entry-scripts.ts'
import type { OnPartialFailure, Tier } from './tier.ts'

const overwrite = '0'
const stringsOnly = '1'
const noArguments: readonly Argument[] = []

/** Redis, over a connection that this tier closes with itself (a borrowed client stays open). */
export function createRemoteTier(connection: Connection): Tier {
  const { maxValueBytes } = connection

  /** UTF-8 takes at most three bytes for a UTF-16 unit: most values need not be measured. */
  function fits(tail: string): boolean {
    return tail.length * 3 <= maxValueBytes || Buffer.byteLength(tail) <= maxValueBytes
  }

  function tooLarge(): CorralError {
    return new CorralError(
      'VALUE_TOO_LARGE',
      `a stored value may have ${maxValueBytes} bytes (maxValueBytes)`,
    )
  }

  function store(redisKey: string, tail: string, ttlMs: number, where: string): Promise<unknown> {
    if (!fits(tail)) return Promise.reject(tooLarge())
    return connection.scriptEach(storeScript, redisKey, [wireTtl(ttlMs), where, tail])
  }

  return {
    kind: 'remote',
    clock: connection.clock,
    get available() {
      return connection.available
    },
    get: (redisKey) => connection.get(redisKey),
    getMany: (redisKeys, onPartialFailure) => connection.getMany(redisKeys, bulk(onPartialFailure)),
    set: (redisKey, tail, ttlMs) => store(redisKey, tail, ttlMs, overwrite),
    fill: (redisKey, tail, ttlMs) => store(redisKey, tail, ttlMs, stringsOnly),
    async setMany(writes, onPartialFailure) {
      const fitting = writes.filter(({ tail }) => fits(tail))
      if (fitting.length < writes.length) {
        const error = tooLarge()
        if (onPartialFailure === undefined) throw error
        onPartialFailure(error)
      }
      const keys: string[] = []
      const args: Argument[] = []
      for (const { redisKey, tail, ttlMs } of fitting) {
        keys.push(redisKey)
        args.push(wireTtl(ttlMs), overwrite, tail)
      }
      const replies = await connection.scriptMany(storeScript, keys, args, bulk(onPartialFailure))
      const stored = done(replies, onPartialFailure)
      let next = 0
      return writes.map(({ tail }) => fits(tail) && stored[next++] === true)
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
