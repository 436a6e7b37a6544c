import { shareConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { createLocks, type Locks, type LocksOptions } from '../src/index.ts'

/** Locks of as many "machines" as wanted, each on a client of its own, all closed together. */
export interface Bench extends AsyncDisposable {
  readonly redis: TestRedis
  /** A client whose owner is BullMQ, say. */
  client(options?: { port?: number; host?: string }): Redis
  locks(options?: Partial<LocksOptions>, client?: object): Locks
  /** Of the connections that are opened from now on. */
  deadline: '200ms' | '2s'
}

export async function openBench(redis?: TestRedis): Promise<Bench> {
  const server = redis ?? (await startRedis())
  const undo: (() => unknown)[] = []
  const bench: Bench = {
    redis: server,
    deadline: '2s',
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
      // A busy machine may take longer than the default over a command.
      const connection = shareConnection(client, { deadline: bench.deadline })
      const locks = createLocks({ connection, namespace: 'shop', ...options })
      undo.push(() => connection.close())
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

/** The names of what is held, in one order. */
export async function heldNames(locks: Locks): Promise<string[]> {
  const names = (await locks.list()).map(({ name }) => name ?? '?')
  return names.toSorted((a, b) => (a < b ? -1 : 1))
}
