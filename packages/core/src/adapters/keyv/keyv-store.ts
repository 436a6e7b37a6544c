import { escapeGlob, isCorralError, shareConnection, type Keyspace } from '@corral/connection'
import { traceChannel, type Operation } from '../../trace.ts'
import { createEntryReader, type EntryReader } from './entry-reader.ts'
import { createEntryWriter } from './entry-writer.ts'
import { px, resolveKeyvStoreOptions, type KeyvStoreOptions } from './options.ts'

/** Called with what went wrong. */
export type ErrorListener = (error: unknown) => void

/** One entry of `setMany`; `ttl` in milliseconds. */
export interface KeyvStoreEntry {
  readonly key: string
  /** The text that Keyv made of the value. */
  readonly value: unknown
  readonly ttl?: number | undefined
}

/**
 * A storage adapter for Keyv 5 and 6 on a borrowed connection. What it stores is the text that Keyv
 * gives it, at `<namespace>::<key>`.
 */
export interface KeyvStore {
  /** Says what it is to Keyv 5, which reads `dialect` before it offers an iterator. */
  readonly opts: Record<string, unknown> & { readonly dialect: 'redis' }
  /** What Keyv calls itself; set by Keyv. See the option. */
  namespace: string | undefined
  /** The text at a key, for Keyv to parse; `Value` is what Keyv calls it. */
  get<Value = string>(key: string): Promise<Value | undefined>
  getMany<Value = string>(keys: readonly string[]): Promise<(Value | undefined)[]>
  has(key: string): Promise<boolean>
  hasMany(keys: readonly string[]): Promise<boolean[]>
  /** `ttl` in milliseconds; 0 or left out: as the option `ttl` says. True: stored. */
  set(key: string, value: unknown, ttl?: number): Promise<boolean>
  /** Whether each was stored. */
  // oxlint-disable-next-line typescript/no-explicit-any -- Keyv 5's type says void; what it reads are booleans
  setMany(entries: readonly KeyvStoreEntry[]): Promise<any>
  /** True: it was there and is gone. */
  delete(key: string): Promise<boolean>
  /** True: at least one was there, and all are gone. */
  deleteMany(keys: readonly string[]): Promise<boolean>
  /** Removes every key of the namespace. Rejects where there is none: it would be everybody's keys. */
  clear(): Promise<void>
  /** Keys and their texts, as SCAN finds them; keys of which only a digest is stored are left out. */
  iterator(namespace?: string): AsyncGenerator<[string, string], void>
  /** Ends this store; the connection that it was given stays open. */
  disconnect(): Promise<void>
  on(event: string, listener: ErrorListener): KeyvStore
  off(event: string, listener: ErrorListener): KeyvStore
}

const errors = traceChannel('corral:core:error')

/** What Keyv 5 calls itself when nobody named it. */
const unnamed = 'keyv'

/**
 * Makes a storage adapter for Keyv.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 *
 * @example
 * ```ts
 * import { createKeyvStore } from '@corral/core/keyv'
 * import { Queue } from 'bullmq'
 *
 * const queue = new Queue('mail', { connection: { host: '127.0.0.1', port: 6379 } })
 * const store = createKeyvStore({ connection: queue, namespace: 'shop' })
 * // for Keyv 5: new Keyv({ store, namespace: 'shop', useKeyPrefix: false })
 * // for Keyv 6: new Keyv({ store })
 * await store.disconnect() // the queue's connection stays open
 * await queue.close()
 * ```
 */
export function createKeyvStore(options: KeyvStoreOptions): KeyvStore {
  const settings = resolveKeyvStoreOptions(options)
  const connection = shareConnection(settings.connection)
  const { maxValueBytes } = connection
  const writer = createEntryWriter(connection, settings.maxMemoryShare)
  const listeners = new Set<ErrorListener>()
  const readers = new Map<string, EntryReader>()
  let named = settings.namespace
  let current = named === undefined ? undefined : readerOf(named)

  function readerOf(namespace: string): EntryReader {
    let reader = readers.get(namespace)
    if (reader === undefined) {
      reader = createEntryReader(connection, settings.keyspaceOf(namespace), settings.near)
      readers.set(namespace, reader)
    }
    return reader
  }

  /** The namespace behind a name that Keyv gives. */
  function behind(name: string | undefined): EntryReader | undefined {
    const own = settings.namespace
    const left = name === undefined || name === '' || (name === unnamed && own !== undefined)
    const namespace = left ? own : name
    return namespace === undefined ? undefined : readerOf(namespace)
  }

  function reading(): EntryReader {
    if (current !== undefined) return current
    throw new TypeError(
      'namespace: must be set, by createKeyvStore or by the Keyv; without one, keys of others could be met',
    )
  }

  /** Tells a failure of Redis; what is none is a bug or a wrong argument and passes through. */
  function absorb(operation: Operation, error: unknown): void {
    if (!isCorralError(error)) throw error
    if (errors.hasSubscribers) {
      const { source } = reading()
      const { code, reason } = error
      errors.publish({ source, namespace: source.name, operation, code, reason })
    }
    if (!settings.degrade) throw error
    for (const listener of listeners) {
      try {
        listener(error)
      } catch {
        // Keyv 6 throws from `emit` when nobody listens to it; a cache call must not fail for that.
      }
    }
  }

  async function getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const reader = reading()
    const redisKeys = keys.map((key) => reader.keyspace.key(key))
    const partial = settings.degrade ? (error: unknown) => absorb('get', error) : undefined
    try {
      return await reader.getMany(redisKeys, partial)
    } catch (error) {
      absorb('get', error)
      return keys.map(() => undefined)
    }
  }

  async function get(key: string): Promise<string | undefined> {
    const reader = reading()
    const redisKey = reader.keyspace.key(key)
    try {
      return await reader.get(redisKey)
    } catch (error) {
      absorb('get', error)
      return undefined
    }
  }

  async function set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const reader = reading()
    const redisKey = reader.keyspace.key(key)
    if (typeof value !== 'string') {
      throw new TypeError(
        `value: a Keyv store takes the text of Keyv's serializer, received ${typeof value}`,
      )
    }
    if (ttl !== undefined && (typeof ttl !== 'number' || Number.isNaN(ttl))) {
      throw new TypeError(`ttl: must be a number of milliseconds, received ${String(ttl)}`)
    }
    try {
      // An end in the past: nobody may read it, so nothing is kept.
      if (ttl !== undefined && ttl < 0) await writer.remove(reader, redisKey)
      else await writer.store(reader, redisKey, value, ttl ? px(ttl) : settings.ttlMs)
      return true
    } catch (error) {
      absorb('set', error)
      return false
    }
  }

  async function deleteMany(keys: readonly string[]): Promise<boolean> {
    const reader = reading()
    const redisKeys = keys.map((key) => reader.keyspace.key(key))
    try {
      return await writer.removeAll(reader, redisKeys)
    } catch (error) {
      absorb('delete', error)
      return false
    }
  }

  /** Pages of the Redis keys of one namespace. */
  async function* pages({ prefix }: Keyspace): AsyncGenerator<string[], void> {
    for await (const page of connection.scan(`${escapeGlob(prefix)}*`, { count: 100 })) {
      const own = page.filter((redisKey) => redisKey.startsWith(prefix))
      if (own.length > 0) yield own
    }
  }

  async function clear(): Promise<void> {
    const reader = reading()
    try {
      for await (const page of pages(reader.keyspace)) await writer.removeAll(reader, page)
    } catch (error) {
      absorb('delete', error)
    }
  }

  async function* iterator(namespace?: string): AsyncGenerator<[string, string], void> {
    const reader = namespace === undefined ? reading() : (behind(namespace) ?? reading())
    for await (const page of pages(reader.keyspace)) {
      const texts = await reader.getMany(page)
      for (const [at, redisKey] of page.entries()) {
        const key = reader.keyspace.decode(redisKey)
        const text = texts[at]
        if (key !== undefined && text !== undefined) yield [key, text]
      }
    }
  }

  // Keyv 6 tells asynchronous stores by the word `async` in front of their methods.
  const store: KeyvStore = {
    opts: { dialect: 'redis', maxValueBytes },
    get namespace() {
      return named
    },
    set namespace(name) {
      current = behind(name)
      named = name
    },
    get: get as KeyvStore['get'],
    getMany: getMany as KeyvStore['getMany'],
    set,
    async delete(key) {
      return deleteMany([key])
    },
    deleteMany,
    clear,
    iterator,
    async has(key) {
      return (await get(key)) !== undefined
    },
    async hasMany(keys) {
      return (await getMany(keys)).map((text) => text !== undefined)
    },
    async setMany(entries) {
      return Promise.all(entries.map(({ key, value, ttl }) => set(key, value, ttl)))
    },
    async disconnect() {
      writer.close()
      for (const reader of readers.values()) reader.close()
      await connection.close()
    },
    on(event, listener) {
      if (event === 'error') listeners.add(listener)
      return store
    },
    off(event, listener) {
      if (event === 'error') listeners.delete(listener)
      return store
    },
  }
  return store
}
