import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { createLocks, type Locks, type LocksOptions } from '../src/index.ts'

/** Locks of as many "machines" as wanted, each on a client of its own, all closed together. */
export interface Bench extends AsyncDisposable {
  readonly redis: TestRedis
  /** A client whose owner is BullMQ, say. */
  client(options?: { port?: number; host?: string }): Redis
  locks(options?: Partial<LocksOptions>, client?: object): Locks
}

export async function openBench(redis?: TestRedis): Promise<Bench> {
  const server = redis ?? (await startRedis())
  const undo: (() => unknown)[] = []
  const bench: Bench = {
    redis: server,
    client({ port = server.port, host = server.host } = {}) {
      const client = new Redis(port, host, {
        socketTimeout: 15_000,
        maxRetriesPerRequest: null,
        retryStrategy: () => 50,
      })
      client.on('error', () => {})
      undo.push(() => client.disconnect())
      return client
    },
    locks(options = {}, client = bench.client()) {
      const locks = createLocks({ connection: client, namespace: 'shop', ...options })
      undo.push(() => locks.close())
      return locks
    },
    async [Symbol.asyncDispose]() {
      for (const step of undo.splice(0).toReversed()) await step()
      if (redis === undefined) await server.stop()
    },
  }
  return bench
}
