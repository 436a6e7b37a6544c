import { EventEmitter } from 'node:events'
import { escapeGlob } from '@corral/connection'
import { type ConnectedBase, requireConnectedBase } from '../client-base.ts'
import { fromJson, toJson } from '../json.ts'
import { resolveSessionsOptions, type SessionsOptions } from './options.ts'
import { putStored } from './put-stored.ts'
import { createSessionAddresses, STORE_KIND } from './session-address.ts'
import { destroySession } from './session-scripts.ts'
import { readStored, revokedUntil } from './stored-session.ts'

/** A session as express-session and @fastify/session hand it over. */
export interface StoreSession {
  readonly cookie?: {
    readonly maxAge?: number | null
    readonly originalMaxAge?: number | null
    readonly expires?: Date | string | null
  }
  readonly [name: string]: unknown
}

type Callback<T = void> = (error?: unknown, value?: T) => void

/**
 * A store for express-session, @fastify/session and what else speaks their interface. Sessions lie in
 * Redis under the hash of their id, and `deleteUserSessions` ends them too.
 */
export interface SessionStore extends EventEmitter {
  get(sid: string, callback: (error: unknown, session?: StoreSession | null) => void): void
  /** Fits the session type of whichever library calls it. */
  get(sid: string, callback: (error: unknown, session?: never) => void): void
  set(sid: string, session: object, callback?: Callback): void
  touch(sid: string, session: object, callback?: Callback): void
  destroy(sid: string, callback?: Callback): void
  /** The data of all living sessions, in no order. Walks through all keys of the server. */
  all(callback: (error: unknown, sessions?: StoreSession[]) => void): void
  length(callback: (error: unknown, count?: number) => void): void
  clear(callback?: Callback): void
}

export interface SessionStoreOptions<
  Base extends EventEmitter = EventEmitter,
> extends SessionsOptions {
  /** express-session's own `session.Store`, which it needs; @fastify/session does not. */
  readonly Store?: abstract new () => Base
}

/**
 * Makes a store. A session lives as long as its cookie says, without a `maxAge` as long as `ttl`.
 *
 * A request that still holds a session and saves it after another request destroyed it, or after it was
 * over, changes nothing.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function createSessionStore<Base extends EventEmitter = EventEmitter>(
  base: ConnectedBase,
  { Store, ...options }: SessionStoreOptions<Base> = {},
): SessionStore & Base {
  requireConnectedBase(base)
  const { connection, namespace } = base
  const { ttlMs, absoluteMs, secret, userOf } = resolveSessionsOptions(options)
  const addresses = createSessionAddresses(namespace, secret)
  const pattern = `corral:${STORE_KIND}:{${escapeGlob(namespace)}:*`
  const own = new RegExp(
    `^corral:${STORE_KIND}:\\{${namespace.replace(/[.*+?^$()|[\]\\]/g, '\\$&')}:[\\w-]{22}\\}:id:[\\w-]{43}$`,
  )

  function idleOf(session: object): number {
    const { cookie } = session as StoreSession
    const ms = cookie?.maxAge ?? cookie?.originalMaxAge
    if (typeof ms === 'number' && Number.isFinite(ms)) return ms
    const expires = cookie?.expires
    if (expires === null || expires === undefined) return ttlMs
    const left = new Date(expires).getTime() - connection.clock.wallNow()
    return Number.isFinite(left) ? left : ttlMs
  }

  async function get(sid: string): Promise<StoreSession | null> {
    const stored = await readStored(
      connection,
      addresses,
      addresses.ofStore(sid),
      absoluteMs,
      false,
    )
    const session = stored === undefined ? undefined : fromJson(stored.data)
    return typeof session === 'object' && session !== null ? (session as StoreSession) : null
  }

  async function set(sid: string, session: object): Promise<void> {
    const idleMs = idleOf(session)
    if (idleMs <= 0) return destroy(sid)
    const data = toJson(session, 'session data', connection.maxValueBytes)
    const address = addresses.ofStore(sid)
    const user = userOf(session) ?? ''
    await putStored(connection, addresses, address, data, user, idleMs, absoluteMs, true)
  }

  async function touch(sid: string, session: object): Promise<void> {
    const address = addresses.ofStore(sid)
    const idleMs = idleOf(session)
    if (idleMs <= 0) return destroy(sid)
    await readStored(connection, addresses, address, absoluteMs, true, idleMs)
  }

  async function destroy(sid: string): Promise<void> {
    await connection.script(destroySession, [addresses.ofStore(sid).key], [''])
  }

  /** Keys of this namespace's store, each once. */
  async function* keys(): AsyncIterable<string[]> {
    const seen = new Set<string>()
    for await (const page of connection.scan(pattern)) {
      const fresh = page.filter((key) => own.test(key) && !seen.has(key))
      for (const key of fresh) seen.add(key)
      yield fresh
    }
  }

  async function living(key: string): Promise<StoreSession[]> {
    const fields = await connection.read({ name: 'HMGET', key, args: ['d', 'u', 'b', 'v'] })
    const [data, user, born, over] = fields as [string | null, string, string, string | null]
    if (data === null) return []
    if (
      over !== null &&
      Number(over) / 1000 <= (connection.serverNow(key) ?? connection.clock.wallNow())
    )
      return []
    if (user !== '' && Number(born) <= (await revokedUntil(connection, addresses, user))) return []
    const session = fromJson(data)
    return typeof session === 'object' && session !== null ? [session as StoreSession] : []
  }

  async function all(): Promise<StoreSession[]> {
    const sessions: StoreSession[] = []
    for await (const page of keys()) {
      for (const some of await Promise.all(page.map(living))) sessions.push(...some)
    }
    return sessions
  }

  async function clear(): Promise<void> {
    for await (const page of keys()) await Promise.all(page.map((key) => connection.delete(key)))
  }

  // Abstract in its types alone: what it lacks is added here.
  const emitter = new ((Store ?? EventEmitter) as new () => Base)()
  const methods: Omit<SessionStore, keyof EventEmitter> = {
    get: (sid: string, callback: (error: unknown, session?: never) => void) =>
      tell(get(sid), callback as (error: unknown, session?: StoreSession | null) => void),
    set: (sid, session, callback) => tell(set(sid, session), callback),
    touch: (sid, session, callback) => tell(touch(sid, session), callback),
    destroy: (sid, callback) => tell(destroy(sid), callback),
    all: (callback) => tell(all(), callback),
    length: (callback) =>
      tell(
        all().then((sessions) => sessions.length),
        callback,
      ),
    clear: (callback) => tell(clear(), callback),
  }
  return Object.assign(emitter, methods) as unknown as SessionStore & Base
}

/** What a callback throws is its own affair: it must neither reach it again nor vanish. */
function tell<T>(
  work: Promise<T>,
  callback: ((error: unknown, value?: T) => void) | undefined,
): void {
  work.then(
    (value) => process.nextTick(() => callback?.(null, value)),
    (error: unknown) => process.nextTick(() => callback?.(error)),
  )
}
