import type { Duration } from '@corral/connection'
import type { ConnectedBase } from '../client-base.ts'
import { fromJson, toJson } from '../json.ts'
import { traceChannel } from '../trace.ts'
import { resolveSessionsOptions, sessionSpan, type SessionsOptions } from './options.ts'
import { putStored } from './put-stored.ts'
import { createSessionAddresses } from './session-address.ts'
import {
  createSessionScript,
  rotateSessionScript,
  takeSession,
  updateSession,
} from './session-scripts.ts'
import { isCrossSlot, readStored, type StoredSession, storedSession } from './stored-session.ts'
import { createUserSessions, type UserSessions } from './user-sessions.ts'

const trace = traceChannel('corral:client:session')

export interface CreateSessionOptions {
  /** Whose it is; nobody's until it is rotated with a user when left out. */
  readonly userId?: string
  /** How long it lives unused. @defaultValue the service's `ttl` */
  readonly ttl?: Duration
  /** What its owner may be shown: 'Firefox on Linux'. Up to 200 characters. */
  readonly label?: string
}

/** A session as it was handed out: this is the only place where its id stands. */
export interface NewSession {
  /** For the cookie. Random, 256 bits; Redis has only its hash. */
  readonly id: string
  /** Epoch ms of the server at which it ends when it is not used. */
  readonly expiresAt: number
}

/**
 * Sessions in Redis. Every call rejects with `REDIS_UNAVAILABLE` when Redis cannot answer: a logout that
 * was not acknowledged is no logout, and nobody is let in unseen.
 */
export interface Sessions extends UserSessions {
  /** Makes a session under a new random id. */
  createSession(data: unknown, options?: CreateSessionOptions): Promise<NewSession>
  /** The data of a session, or `undefined`. Counts as using it, in the same round trip. */
  getSession<T = unknown>(id: string): Promise<T | undefined>
  /**
   * Replaces the data. A session of `createSession` that is gone stays gone: `false`. Under an id of
   * your own choosing one is made when there is none; such an id must be as hard to guess.
   *
   * @param ttl how long it lives unused
   */
  setSession(id: string, data: unknown, ttl?: Duration): Promise<boolean>
  /** Counts as using it; `false` when there is none. */
  touchSession(id: string): Promise<boolean>
  /** Ends a session; `false` when there was none. */
  deleteSession(id: string): Promise<boolean>
  /**
   * Moves a session to a new id; the old one is dead at once. For every login and change of rights.
   * Another user's session begins its life anew. `undefined` when there was none.
   *
   * In a cluster a session that gets another user changes its node in two steps: the old one dies
   * first, so should Redis fail between them, the user has to log in again.
   */
  rotateSession(
    id: string,
    change?: { readonly userId?: string; readonly data?: unknown },
  ): Promise<NewSession | undefined>
}

/** @throws TypeError or RangeError naming option, rule and received value */
export function createSessions(base: ConnectedBase, options?: SessionsOptions): Sessions {
  const resolved = resolveSessionsOptions(options)
  const { ttlMs, absoluteMs, rolling, userOf } = resolved
  const { connection, namespace } = base
  const addresses = createSessionAddresses(namespace, resolved.secret)
  const absolute = absoluteMs * 1000
  const json = (data: unknown): string => toJson(data, 'session data', connection.maxValueBytes)

  function tell(event: 'created' | 'rotated' | 'deleted' | 'revoked' | 'refused'): void {
    if (trace.hasSubscribers) trace.publish({ namespace, event })
  }

  async function createAt(
    route: string | undefined,
    data: string,
    user: string,
    idleMs: number,
    label: string,
  ): Promise<NewSession> {
    const { id, address } = addresses.create(route)
    const keys = [address.key, addresses.stampKey(address.route), addresses.indexKey(address.route)]
    const args = [data, user, address.member, idleMs * 1000, absolute, label]
    const ends = Number(await connection.script(createSessionScript, keys, args))
    return { id, expiresAt: Math.floor(ends / 1000) }
  }

  async function read(id: string, use: boolean): Promise<StoredSession | undefined> {
    const stored = await readStored(connection, addresses, addresses.of(id), absoluteMs, use)
    if (stored === undefined) tell('refused')
    return stored
  }

  async function take(id: string): Promise<StoredSession | undefined> {
    const { key, route, member } = addresses.of(id)
    const keys = [key, addresses.stampKey(route), addresses.indexKey(route)]
    return storedSession(await connection.script(takeSession, keys, [absolute, member]))
  }

  async function rotate(
    id: string,
    userId: string | undefined,
    data: string | undefined,
  ): Promise<NewSession | undefined> {
    const old = addresses.of(id)
    let route = userId === undefined ? old.route : addresses.routeOf(userId)
    if (!old.native) {
      const stored = await read(id, false)
      if (stored === undefined) return undefined
      const user = userId ?? stored.user
      if (user !== '') route = addresses.routeOf(user)
    }
    if (connection.isCluster && route !== old.route) return move(id, route, userId, data)
    const { id: newId, address } = addresses.create(route)
    const keys = [old, address].flatMap((at) => [
      at.key,
      addresses.stampKey(at.route),
      addresses.indexKey(at.route),
    ])
    const args = [
      absolute,
      old.member,
      address.member,
      userId ?? '',
      data === undefined ? '' : `1${data}`,
    ]
    try {
      const stored = storedSession(await connection.script(rotateSessionScript, keys, args))
      return stored && { id: newId, expiresAt: stored.expiresAt }
    } catch (error) {
      if (isCrossSlot(error)) return move(id, route, userId, data)
      throw error
    }
  }

  /** The old session dies before the new one lives. */
  async function move(
    id: string,
    route: string,
    userId: string | undefined,
    data: string | undefined,
  ): Promise<NewSession | undefined> {
    const stored = await take(id)
    if (stored === undefined) return undefined
    return createAt(route, data ?? stored.data, userId ?? stored.user, ttlMs, '')
  }

  return {
    ...createUserSessions(base, addresses, absoluteMs, tell),
    async createSession(data, { userId, ttl, label = '' } = {}) {
      if (typeof label !== 'string' || label.length > 200) {
        throw new RangeError('label: must be a string of up to 200 characters')
      }
      const idleMs = ttl === undefined ? ttlMs : sessionSpan(ttl, 'ttl')
      const route = userId === undefined ? undefined : addresses.routeOf(userId)
      const made = await createAt(route, json(data), userId ?? '', idleMs, label)
      tell('created')
      return made
    },
    async getSession<T>(id: string) {
      const stored = await read(id, rolling)
      return stored === undefined ? undefined : (fromJson(stored.data) as T)
    },
    async setSession(id, data, ttl) {
      const address = addresses.of(id)
      const text = json(data)
      const idleMs = ttl === undefined ? undefined : sessionSpan(ttl, 'ttl')
      if (!address.native) {
        const user = userOf(data) ?? ''
        return putStored(connection, addresses, address, text, user, idleMs ?? ttlMs, absoluteMs)
      }
      const keys = [address.key, addresses.stampKey(address.route)]
      const args = [text, (idleMs ?? 0) * 1000, absolute]
      return Number(await connection.script(updateSession, keys, args)) === 1
    },
    touchSession: async (id) => (await read(id, true)) !== undefined,
    async deleteSession(id) {
      const gone = (await take(id)) !== undefined
      tell('deleted')
      return gone
    },
    async rotateSession(id, { userId, data } = {}) {
      const rotated = await rotate(id, userId, data === undefined ? undefined : json(data))
      tell(rotated === undefined ? 'refused' : 'rotated')
      return rotated
    },
  }
}
