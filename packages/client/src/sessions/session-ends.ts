import type { ConnectedBase } from '../client-base.ts'
import { makeSession, type NewSession } from './new-session.ts'
import type { SessionAddress, SessionAddresses } from './session-address.ts'
import { rotateSessionScript, takeSession } from './session-scripts.ts'
import {
  isCrossSlot,
  readStored,
  revokedUntil,
  type StoredSession,
  storedSession,
} from './stored-session.ts'

/** What becomes another session; each as it was when left out. */
export interface Rotation {
  readonly userId: string | undefined
  /** JSON. */
  readonly data: string | undefined
}

/** What a script replies when a session got another user since it was looked at. */
const CHANGED = 0

/** How sessions end, and go on under another id. */
export interface SessionEnds {
  /** Ends a session; what it was, or `undefined` when there was none. */
  take(id: string): Promise<StoredSession | undefined>
  rotate(id: string, rotation: Rotation): Promise<NewSession | undefined>
}

export function createSessionEnds(
  { connection }: ConnectedBase,
  addresses: SessionAddresses,
  absoluteMs: number,
): SessionEnds {
  const absolute = absoluteMs * 1000

  function routeOf(user: string, otherwise: string): string {
    return user === '' ? otherwise : addresses.routeOf(user)
  }

  async function take(id: string): Promise<StoredSession | undefined> {
    const { key, route, member, native } = addresses.of(id)
    const keys = [key, addresses.stampKey(route), addresses.indexKey(route)]
    const args = [absolute, member, native ? 0 : 1]
    return storedSession(await connection.script(takeSession, keys, args))
  }

  /** One step; only where both sessions and their users' stamps lie on one server. */
  async function inPlace(
    from: SessionAddress,
    owner: string | undefined,
    route: string,
    { userId, data }: Rotation,
  ): Promise<NewSession | typeof CHANGED | undefined> {
    const { id, address } = addresses.create(route)
    const stamped = owner === undefined ? from.route : routeOf(owner, from.route)
    const keysAt = (key: string, at: string): string[] => [
      key,
      addresses.stampKey(at),
      addresses.indexKey(at),
    ]
    const keys = [...keysAt(from.key, stamped), ...keysAt(address.key, route)]
    const newData = data === undefined ? '' : `1${data}`
    const expected = owner === undefined ? '' : `1${owner}`
    const args = [absolute, from.member, address.member, userId ?? '', newData, expected]
    const reply = await connection.script(rotateSessionScript, keys, args)
    if (reply === CHANGED) return CHANGED
    const stored = storedSession(reply)
    return stored && { id, expiresAt: stored.expiresAt }
  }

  /** From one server to another: the old session dies before the new one lives. */
  async function move(id: string, { userId, data }: Rotation): Promise<NewSession | undefined> {
    const { native, route } = addresses.of(id)
    const stored = await take(id)
    if (stored === undefined) return undefined
    const { user, idle, label } = stored
    const next = userId ?? user
    const draft = { data: data ?? stored.data, user: next, idle, absolute, label }
    if (next === user) {
      return makeSession(connection, addresses, draft, routeOf(user, route), stored)
    }
    // Apart from its user's stamp, it could not be asked in the step that took it.
    const revoked = native || user === '' ? 0 : await revokedUntil(connection, addresses, user)
    if (stored.born <= revoked) return undefined
    return makeSession(connection, addresses, draft, addresses.routeOf(next))
  }

  async function rotate(id: string, rotation: Rotation): Promise<NewSession | undefined> {
    const from = addresses.of(id)
    let owner: string | undefined
    if (!from.native) {
      const stored = await readStored(connection, addresses, from, absoluteMs, false)
      if (stored === undefined) return undefined
      owner = stored.user
    }
    const { userId } = rotation
    const route =
      userId === undefined ? routeOf(owner ?? '', from.route) : addresses.routeOf(userId)
    if (connection.isCluster && route !== from.route) return move(id, rotation)
    try {
      const rotated = await inPlace(from, owner, route, rotation)
      return rotated === CHANGED ? await rotate(id, rotation) : rotated
    } catch (error) {
      if (isCrossSlot(error)) return move(id, rotation)
      throw error
    }
  }

  return { take, rotate }
}
