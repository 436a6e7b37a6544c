import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { shareConnection } from '@corral/connection'
import { runWorker } from '@corral/testing'
import { Redis } from 'ioredis'
import { createCache, type Cache } from '../../../src/index.ts'
import { micros, turn } from '../machine-clock.ts'
import type { Errands } from './errands.ts'

let cache: Cache | undefined
let redis: Redis | undefined
let bring: ((value: unknown) => void) | undefined
let fail: ((error: Error) => void) | undefined
let loading: Promise<unknown> = Promise.resolve()

function opened(): Cache {
  if (cache === undefined) throw new Error('no cache was opened')
  return cache
}

const errands: Errands = {
  async open({ port, signalsPort, namespace, near, deadline = '5s' }) {
    await cache?.close()
    redis?.disconnect()
    const options = {
      maxRetriesPerRequest: null,
      socketTimeout: 15_000,
      retryStrategy: () => 50,
    }
    const client = new Redis(port, '127.0.0.1', options)
    client.on('error', () => {})
    if (signalsPort !== undefined) {
      const duplicate = client.duplicate.bind(client)
      client.duplicate = (changes) => duplicate({ ...changes, port: signalsPort })
    }
    redis = client
    const connection = shareConnection(client, { deadline, onWarning: () => {} })
    cache = createCache({ connection, namespace, ...(near !== undefined && { near }) })
    await cache.get('warm-up')
  },
  signalsOn: async () => opened().connection?.signals.whenOn(5_000),
  signalState: async () => opened().connection?.signals.state ?? 'none',
  get: (key) => opened().get(key),
  peek: async (key) => opened().peek(key),
  set: (key, value, options) => opened().set(key, value, options),
  delete: (key) => opened().delete(key),
  deleteMany: (keys) => opened().deleteMany(keys),
  expire: (key, ttl) => opened().expire(key, ttl),
  invalidateTags: (tags) => opened().invalidateTags(tags),
  deletePattern: (pattern) => opened().deletePattern(pattern),
  clear: (options) => opened().clear(options),
  beginLoad: (key, options) =>
    new Promise((resolve, reject) => {
      const load = (): Promise<unknown> => {
        resolve()
        return new Promise((done, failed) => {
          bring = done
          fail = failed
        })
      }
      loading = opened().getOrSet(key, load, options)
      loading.catch(reject)
    }),
  endLoad(value) {
    bring?.(value)
    return loading
  },
  async failLoad(message) {
    fail?.(new Error(message))
    return loading.then(
      () => 'no error',
      (error: Error) => error.message,
    )
  },
  getOrSet: (key, value, options) => opened().getOrSet(key, () => value, options),
  async untilPeekIsNot(key, value) {
    while (opened().peek(key) === value) await turn()
    return micros()
  },
  async lastSeen(key, value, forMs) {
    const until = micros() + forMs * 1_000
    let last: number | null = null
    while (micros() < until) {
      const began = micros()
      const seen = opened().peek(key) ?? (await opened().get(key))
      if (seen === value) last = began
      await turn()
    }
    return last
  },
  stats: async () => ({ ...(await opened().stats()) }),
}

/** Does what the test says over a socket, a line of JSON each way. */
runWorker<{ readonly control: number }>(async ({ index, data }) => {
  const socket = createConnection(data.control, '127.0.0.1')
  socket.setNoDelay()
  socket.write(`${JSON.stringify({ index })}\n`)
  for await (const line of createInterface({ input: socket })) {
    const { id, name, args } = JSON.parse(line) as {
      id: number
      name: keyof Errands
      args: never[]
    }
    const run: (...args: never[]) => Promise<unknown> = errands[name]
    void run(...args).then(
      (result) => socket.write(`${JSON.stringify({ id, result })}\n`),
      (error: Error) => socket.write(`${JSON.stringify({ id, error: error.stack })}\n`),
    )
  }
})
