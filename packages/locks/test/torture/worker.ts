import { openSync, writeSync } from 'node:fs'
import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createLocks, createRedisFence, isCorralError, type NamedLock } from '../../src/index.ts'

export interface TortureOrder {
  readonly port: number
  /** A Redis that nobody disturbs, for the fenced counters. */
  readonly safePort: number
  readonly log: string
  readonly acquisitions: number
  readonly locks: number
  readonly callers: number
  readonly ttlMs: number
  /** Share of holds in which the process stops itself; who started it wakes it up. */
  readonly stops: number
  readonly kind: 'plain' | 'fair' | 'mixed'
}

/** Microseconds that all processes of a machine share. */
function micros(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

runWorker<TortureOrder>(async ({ data }) => {
  const log = openSync(data.log, 'a')
  const client = new Redis(data.port, '127.0.0.1', {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 30,
  })
  const safe = new Redis(data.safePort, '127.0.0.1', { socketTimeout: 15_000 })
  for (const each of [client, safe]) each.on('error', () => {})
  const connection = shareConnection(client, { deadline: '500ms' })
  const locks = createLocks({
    connection,
    namespace: 'torture',
    ttl: `${data.ttlMs}ms`,
    wait: '5s',
  })
  const fence = createRedisFence({
    connection: shareConnection(safe, { deadline: '5s' }),
    namespace: 'torture',
  })
  let done = 0

  async function hold(lock: NamedLock): Promise<void> {
    const held = await lock.acquire()
    const { token, fencingToken, expiresAt } = held
    const from = micros()
    // A tenth of a millisecond is lost in the two clocks' rounding; the lock's own margin is 5 ms.
    const until = from + (expiresAt - Date.now()) * 1000
    writeSync(log, `${JSON.stringify(['a', lock.name, token, fencingToken, from, until])}\n`)
    done++
    try {
      const counter = Number(await fence.read(lock.name, fencingToken))
      if (Math.random() < data.stops) process.kill(process.pid, 'SIGSTOP')
      await fence.write(lock.name, String(counter + 1), fencingToken)
      writeSync(log, `${JSON.stringify(['w', lock.name])}\n`)
    } catch (error) {
      if (!isCorralError(error, 'FENCE_REFUSED')) throw error
    } finally {
      writeSync(log, `${JSON.stringify(['r', token, micros()])}\n`)
      await held.release().catch((error: unknown) => {
        // Not run out, and not this holder's any more: somebody took it away.
        if (!isCorralError(error, 'LOCK_LOST') || error.reason !== 'taken') return
        writeSync(log, `${JSON.stringify(['s', lock.name, token])}\n`)
      })
    }
  }

  async function caller(first: number): Promise<void> {
    for (let i = first; done < data.acquisitions; i++) {
      const name = `lock:${i % data.locks}`
      const fair = data.kind === 'fair' || (data.kind === 'mixed' && i % 2 === 0)
      try {
        await hold(fair ? locks.fair(name) : named(name))
      } catch (error) {
        if (!isCorralError(error) || error.code === 'REDIS_REPLY' || error.code === 'WRONG_TYPE')
          throw error
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  }

  function named(name: string): NamedLock {
    return { ...locks.fair(name), name, acquire: (options) => locks.acquire(name, options) }
  }

  await Promise.all(Array.from({ length: data.callers }, (_, i) => caller(i)))
  return done
})
