import {
  CorralError,
  isCorralError,
  type Argument,
  type BulkOptions,
  type Connection,
} from '@corral/connection'
import { expireArgs, expireScript } from '../protocol/expire-script.ts'
import { incrementArgs, incrementReply, incrementScript } from '../protocol/increment-script.ts'
import { leaseArgs, leaseReply, leaseScript } from '../protocol/lease-script.ts'
import { refreshLeaseKey } from '../protocol/protocol-keys.ts'
import { refreshArgs, refreshReply, refreshScript } from '../protocol/refresh-script.ts'
import {
  deleteArgs,
  dropScript,
  extendArgs,
  fillArgs,
  removeArgs,
  setArgs,
  wasDone,
  writeScript,
} from '../protocol/write-script.ts'
import type { OnPartialFailure, Tier } from './tier.ts'

/** Redis, over a connection that this tier closes with itself (a borrowed client stays open). */
export function createRemoteTier(connection: Connection): Tier {
  const { clock, maxValueBytes } = connection

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

  return {
    kind: 'remote',
    clock,
    get available() {
      return connection.available
    },
    now: (redisKey) => connection.serverNow(redisKey) ?? clock.wallNow(),
    get: (redisKey) => connection.getBuffer(redisKey),
    ask: (redisKey, asker) => connection.ask(redisKey, asker),
    getMany: (redisKeys, onPartialFailure) =>
      connection.getManyBuffer(redisKeys, bulk(onPartialFailure)),
    set: (redisKey, tail, ttlMs) =>
      fits(tail)
        ? connection.scriptEach(writeScript, redisKey, setArgs(ttlMs, tail))
        : Promise.reject(tooLarge()),
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
        for (const arg of setArgs(ttlMs, tail)) args.push(arg)
      }
      const replies = await connection.scriptMany(writeScript, keys, args, bulk(onPartialFailure))
      const stored = done(replies, onPartialFailure)
      let next = 0
      return writes.map(({ tail }) => fits(tail) && stored[next++] === true)
    },
    delete: (redisKey) => connection.scriptEach(dropScript, redisKey, deleteArgs),
    async deleteMany(redisKeys, onPartialFailure) {
      const replies = await connection.scriptMany(
        dropScript,
        redisKeys,
        redisKeys.flatMap(() => deleteArgs),
        bulk(onPartialFailure),
      )
      return done(replies, onPartialFailure)
    },
    async lease(redisKey, token, ttlMs, dead) {
      return leaseReply(
        await connection.scriptEach(leaseScript, redisKey, leaseArgs(token, ttlMs, dead)),
      )
    },
    async refresh(redisKey, token, ttlMs, identity) {
      const keys = [redisKey, refreshLeaseKey(redisKey)]
      return refreshReply(
        await connection.script(refreshScript, keys, refreshArgs(token, ttlMs, identity)),
      )
    },
    async fill({ redisKey, identity, ttlMs, at, tail, beside }) {
      if (!fits(tail)) throw tooLarge()
      const filled = connection.scriptEach(
        writeScript,
        redisKey,
        fillArgs(identity, ttlMs, at, tail),
      )
      if (beside !== undefined) {
        // The same script in the same tick: one command. What fails here ends by itself.
        connection
          .scriptEach(writeScript, beside.key, removeArgs(beside.identity))
          .catch(() => undefined)
      }
      return wasDone(await filled)
    },
    remove: async (redisKey, identity) =>
      wasDone(await connection.scriptEach(dropScript, redisKey, removeArgs(identity))),
    extend: async (redisKey, identity, ttlMs) =>
      wasDone(await connection.scriptEach(dropScript, redisKey, extendArgs(identity, ttlMs))),
    expire: async (redisKey, ttlMs) =>
      Number(await connection.scriptEach(expireScript, redisKey, expireArgs(ttlMs))) === 1,
    increment: async (redisKey, request) =>
      incrementReply(
        await connection.scriptEach(incrementScript, redisKey, incrementArgs(request)),
      ),
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

/** Adds up a figure over all databases and nodes. */
function sum(info: ReadonlyMap<string, string>, figure: RegExp): number {
  let total = 0
  for (const text of info.values()) {
    for (const found of text.matchAll(figure)) total += Number(found[1])
  }
  return total
}
