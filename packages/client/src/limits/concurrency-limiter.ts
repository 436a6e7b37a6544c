import { randomBytes } from 'node:crypto'
import { type Connection, isCorralError, ownKey, systemClock } from '@corral/connection'
import { type ClientBase, requireBase } from '../client-base.ts'
import { subjectTag } from '../keys/subject-tag.ts'
import { limitReached } from '../errors.ts'
import { traceChannel } from '../trace.ts'
import type { ConcurrencyLease } from './concurrency-lease.ts'
import { createLocalLeases } from './local-leases.ts'
import {
  acquireLeaseScript,
  countLeasesScript,
  extendLeaseScript,
  releaseLeaseScript,
} from './lua/concurrency-script.ts'
import { type ConcurrencyOptions, resolveConcurrencyOptions } from './options.ts'
import { secondsOf } from './rate-limit-result.ts'

const trace = traceChannel('corral:client:limit')

/** What a concurrency limiter said: with a lease exactly when it is `allowed`. */
export type ConcurrencyResult = ConcurrencyFigures &
  (
    | { readonly allowed: true; readonly lease: ConcurrencyLease }
    | { readonly allowed: false; readonly lease?: undefined }
  )

interface ConcurrencyFigures {
  readonly limit: number
  /** Places left after this call. */
  readonly remaining: number
  /** Places taken. */
  readonly count: number
  /** Seconds, to 3 decimals, after which a place is free if nobody gives one back earlier. */
  readonly retryAfter: number
  readonly source: 'redis' | 'local' | 'policy'
}

/** Admits so many calls at once per subject, over all processes that share the Redis. */
export interface ConcurrencyLimiter {
  readonly name: string
  /** Takes a place if there is one. Never rejects because Redis is away: `onUnavailable` decides. */
  acquire(subject: string): Promise<ConcurrencyResult>
  /**
   * Runs `fn` in a place, gives it back afterwards, and extends it meanwhile.
   *
   * @throws CorralError `LIMIT_REACHED` when there is none
   */
  using<T>(subject: string, fn: () => T | Promise<T>): Promise<T>
  /** How many places are taken. Rejects `REDIS_UNAVAILABLE`. */
  count(subject: string): Promise<number>
}

const acquireScript = acquireLeaseScript()
const extendScript = extendLeaseScript()
const releaseScript = releaseLeaseScript()
const countScript = countLeasesScript()

/** @throws TypeError or RangeError naming option, rule and received value */
export function createConcurrencyLimiter(
  base: ClientBase,
  options: ConcurrencyOptions,
): ConcurrencyLimiter {
  requireBase(base)
  const resolved = resolveConcurrencyOptions(options)
  const { name, keyName, limit, leaseMs, onUnavailable, localShare, deadlineMs } = resolved
  const { connection, namespace } = base
  const clock = connection?.clock ?? systemClock
  const share = connection === undefined ? limit : Math.max(1, Math.floor(limit * localShare))
  const local = createLocalLeases(share, leaseMs, clock)
  const callOptions = deadlineMs === undefined ? undefined : { deadlineMs }
  const leaseMicros = Math.round(leaseMs * 1000)
  const keyOf = (subject: string): string =>
    ownKey('limit', subjectTag(namespace, subject, 'subject'), 'concurrency', keyName)

  function result(
    source: ConcurrencyResult['source'],
    count: number,
    wait: number,
    lease?: ConcurrencyLease,
  ): ConcurrencyResult {
    const allowed = lease !== undefined
    if (trace.hasSubscribers) trace.publish({ namespace, limiter: name, allowed, source })
    const most = source === 'local' ? share : limit
    if (lease === undefined) {
      return { allowed: false, limit: most, remaining: 0, count, retryAfter: wait, source }
    }
    const remaining = Math.max(0, most - count)
    return { allowed: true, limit: most, remaining, count, retryAfter: 0, source, lease }
  }

  function leaseAt(from: Connection, key: string, id: string, endMicros: number): ConcurrencyLease {
    let ends = endMicros
    const lease: ConcurrencyLease = {
      id,
      get expiresAt() {
        return Math.floor(ends / 1000)
      },
      async extend() {
        const reply = Number(
          await from.scriptEach(extendScript, key, [id, leaseMicros], callOptions),
        )
        if (reply > 0) ends = reply
        return reply > 0
      },
      async release() {
        try {
          return Number(await from.scriptEach(releaseScript, key, [id], callOptions)) === 1
        } catch (error) {
          if (isCorralError(error)) return false
          throw error
        }
      },
      async [Symbol.asyncDispose]() {
        await lease.release()
      },
    }
    return lease
  }

  function alone(subject: string): ConcurrencyResult {
    if (onUnavailable === 'deny') return result('policy', 0, 1)
    const taken = local.acquire(subject, onUnavailable === 'allow' && connection !== undefined)
    const source = onUnavailable === 'allow' && connection !== undefined ? 'policy' : 'local'
    return result(source, taken.count, Math.ceil(taken.waitMs) / 1000, taken.lease)
  }

  async function acquire(subject: string): Promise<ConcurrencyResult> {
    const key = keyOf(subject)
    if (connection === undefined) return alone(subject)
    const id = randomBytes(12).toString('base64url')
    try {
      const reply = await connection.scriptEach(
        acquireScript,
        key,
        [id, limit, leaseMicros],
        callOptions,
      )
      const [admitted, count, wait, end] = reply as [number, number, number, number]
      if (admitted !== 1) return result('redis', count, secondsOf(wait))
      return result('redis', count, 0, leaseAt(connection, key, id, end))
    } catch (error) {
      if (!isCorralError(error, 'REDIS_UNAVAILABLE') && !isCorralError(error, 'REDIS_FULL'))
        throw error
      return alone(subject)
    }
  }

  return {
    name,
    acquire,
    async using(subject, fn) {
      const { lease, retryAfter } = await acquire(subject)
      if (lease === undefined) throw limitReached(name, retryAfter)
      let timer = again()
      function again(): ReturnType<typeof clock.setTimer> {
        return clock.setTimer(
          () => {
            // A failed extension is tried again at the next third; the lease outlives two of them.
            lease!.extend().catch(() => false)
            timer = again()
          },
          leaseMs / 3,
          { unref: true },
        )
      }
      try {
        return await fn()
      } finally {
        clock.clearTimer(timer)
        await lease.release()
      }
    },
    async count(subject) {
      const key = keyOf(subject)
      if (connection === undefined) return local.count(subject)
      const [taken] = (await connection.scriptEach(countScript, key, [], callOptions)) as [number]
      return taken
    },
  }
}
