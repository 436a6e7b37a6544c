import { describeValue, type Duration } from '@corral/connection'
import { type ConnectedBase, requireConnectedBase } from '../client-base.ts'
import { fromJson, toJson } from '../json.ts'
import { traceChannel } from '../trace.ts'
import { resolveSessionsOptions, sessionSpan, type SessionsOptions } from './options.ts'
import { putStored } from './put-stored.ts'
import { createSessionAddresses } from './session-address.ts'
import { makeSession, type NewSession } from './new-session.ts'
import { createSessionEnds } from './session-ends.ts'
import { updateSession } from './session-scripts.ts'
import { readStored, type StoredSession } from './stored-session.ts'
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
   * your own choosing one is made when there is none, unless it was deleted or rotated in the last 60 s
   * (`false`); such an id must be as hard to guess.
   *
   * @param ttl how long it lives unused
   */
  setSession(id: string, data: unknown, ttl?: Duration): Promise<boolean>
  /** Counts as using it; `false` when there is none. */
  touchSession(id: string): Promise<boolean>
  /**
   * Ends a session; `false` when there was none. Under an id of your own nothing can be stored for 60 s
   * after it, so that a request which still holds the session does not bring it back.
   */
  deleteSession(id: string): Promise<boolean>
  /**
   * Moves a session to a new id; the old one is dead at once. For every login and change of rights.
   * It keeps its age, its ttl and its label; another user's session begins its life anew.
   * `undefined` when there was none.
   *
   * In a cluster a session that gets another user, or whose id was your own, changes its node in two
   * steps: the old one dies first, so should Redis fail between them, the user has to log in again.
   */
  rotateSession(
    id: string,
    change?: { readonly userId?: string; readonly data?: unknown },
  ): Promise<NewSession | undefined>
}

/** @throws TypeError or RangeError naming option, rule and received value */
export function createSessions(base: ConnectedBase, options?: SessionsOptions): Sessions {
  requireConnectedBase(base)
  const resolved = resolveSessionsOptions(options)
  const { ttlMs, absoluteMs, rolling, userOf } = resolved
  const { connection, namespace } = base
  const addresses = createSessionAddresses(namespace, resolved.secret)
  const absolute = absoluteMs * 1000
  const ends = createSessionEnds(base, addresses, absoluteMs)
  const json = (data: unknown): string => toJson(data, 'session data', connection.maxValueBytes)

  function tell(event: 'created' | 'rotated' | 'deleted' | 'revoked' | 'refused'): void {
    if (trace.hasSubscribers) trace.publish({ namespace, event })
  }

  async function read(id: string, use: boolean): Promise<StoredSession | undefined> {
    const stored = await readStored(connection, addresses, addresses.of(id), absoluteMs, use)
    if (stored === undefined) tell('refused')
    return stored
  }

  return {
    ...createUserSessions(base, addresses, absoluteMs, tell),
    async createSession(data, { userId, ttl, label = '' } = {}) {
      if (typeof label !== 'string' || label.length > 200) {
        throw new RangeError(
          `label: must be a string of up to 200 characters, received ${describeValue(label)}`,
        )
      }
      const idleMs = ttl === undefined ? ttlMs : sessionSpan(ttl, 'ttl')
      const route = userId === undefined ? undefined : addresses.routeOf(userId)
      const draft = { data: json(data), user: userId ?? '', idle: idleMs * 1000, absolute, label }
      const made = await makeSession(connection, addresses, draft, route)
      tell('created')
      // Only one with a past may be over.
      return made!
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
        const idle = idleMs ?? ttlMs
        return putStored(connection, addresses, address, text, user, idle, absoluteMs, false)
      }
      const keys = [address.key, addresses.stampKey(address.route)]
      const args = [text, (idleMs ?? 0) * 1000, absolute]
      return Number(await connection.script(updateSession, keys, args)) === 1
    },
    touchSession: async (id) => (await read(id, true)) !== undefined,
    async deleteSession(id) {
      const gone = (await ends.take(id)) !== undefined
      tell('deleted')
      return gone
    },
    async rotateSession(id, { userId, data } = {}) {
      const text = data === undefined ? undefined : json(data)
      const rotated = await ends.rotate(id, { userId, data: text })
      tell(rotated === undefined ? 'refused' : 'rotated')
      return rotated
    },
  }
}
