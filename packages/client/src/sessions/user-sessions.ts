import type { ConnectedBase } from '../client-base.ts'
import type { SessionAddresses } from './session-address.ts'
import { destroySession, revokeSessions } from './session-scripts.ts'

/** A session as its owner may see it. */
export interface SessionInfo {
  /** Stands for the session in `deleteUserSession`; says nothing about its id. */
  readonly handle: string
  /** Epoch ms of the server. */
  readonly createdAt: number
  /** To the minute. */
  readonly lastSeenAt: number
  readonly expiresAt: number
  readonly label: string
  /** Whether it is the one whose id was given as `current`. */
  readonly current: boolean
}

/** What can be done with all sessions of one user. */
export interface UserSessions {
  /** The living sessions of a user, oldest first. */
  listUserSessions(userId: string, options?: { readonly current?: string }): Promise<SessionInfo[]>
  /** Ends one of them by its handle; `false` when there is none. */
  deleteUserSession(userId: string, handle: string): Promise<boolean>
  /**
   * Ends all sessions of a user, however many, in one step: a stamp that is newer than they are. One
   * that is being written at the same time does not survive it.
   *
   * @param options `except`: an id of `createSession` that stays. Then: whether it did.
   * @throws CorralError `REDIS_UNAVAILABLE` when it was not acknowledged: then it is not done
   */
  deleteUserSessions(userId: string, options?: { readonly except?: string }): Promise<boolean>
}

/** So many sessions are read at a time: a list must not take the room of all other calls. */
const PAGE = 100

export function createUserSessions(
  { connection }: ConnectedBase,
  addresses: SessionAddresses,
  absoluteMs: number,
  tell: (event: 'deleted' | 'revoked') => void,
): UserSessions {
  const { clock } = connection

  /** Members that stand in the user's list; some may have ended. */
  async function membersOf(route: string): Promise<string[]> {
    const args = [0, -1]
    const reply = await connection.read({ name: 'ZRANGE', key: addresses.indexKey(route), args })
    return reply as string[]
  }

  async function infoOf(
    member: string,
    user: string,
    stamp: number,
  ): Promise<Omit<SessionInfo, 'current'> | undefined> {
    const { key } = addresses.ofMember(member)
    const [fields, left] = await Promise.all([
      connection.read({ name: 'HMGET', key, args: ['u', 'b', 'c', 's', 'l', 'v'] }),
      connection.read({ name: 'PTTL', key }),
    ])
    const [owner, born, created, seen, label, over] = fields as (string | null)[]
    const now = connection.serverNow(key) ?? clock.wallNow()
    // The key of a store's session outlives it.
    const expiresAt = typeof over === 'string' ? Number(over) / 1000 : now + Number(left)
    if (owner !== user || Number(born) <= stamp || expiresAt <= now) return undefined
    return {
      handle: addresses.handle(member),
      createdAt: Math.floor(Number(created) / 1000),
      lastSeenAt: Math.floor(Number(seen) / 1000),
      expiresAt: Math.floor(expiresAt),
      label: label ?? '',
    }
  }

  return {
    async listUserSessions(userId, { current } = {}) {
      const route = addresses.routeOf(userId)
      const now = current === undefined ? undefined : addresses.handle(addresses.of(current).member)
      const [members, stamp] = await Promise.all([
        membersOf(route),
        connection.get(addresses.stampKey(route)),
      ])
      const all: Omit<SessionInfo, 'current'>[] = []
      for (let from = 0; from < members.length; from += PAGE) {
        const page = members.slice(from, from + PAGE)
        const infos = await Promise.all(page.map((member) => infoOf(member, userId, Number(stamp))))
        all.push(...infos.filter((info) => info !== undefined))
      }
      return all
        .toSorted((a, b) => a.createdAt - b.createdAt)
        .map((info) => ({ ...info, current: info.handle === now }))
    },
    async deleteUserSession(userId, handle) {
      const members = await membersOf(addresses.routeOf(userId))
      const member = members.find((each) => addresses.handle(each) === handle)
      if (member === undefined) return false
      // A request that still holds the session and saves it at its end must not bring it back.
      // Under an id of its own it may have become another user's since.
      const { key } = addresses.ofMember(member)
      const gone = await connection.script(destroySession, [key], [userId])
      tell('deleted')
      return Number(gone) === 1
    },
    async deleteUserSessions(userId, { except } = {}) {
      const route = addresses.routeOf(userId)
      const stays = except === undefined ? undefined : addresses.of(except)
      const keys = [addresses.stampKey(route), addresses.indexKey(route)]
      const args: (string | number)[] = [absoluteMs * 1000]
      if (stays?.route === route && stays.native) {
        keys.push(stays.key)
        args.push(stays.member)
      }
      const stayed = Number(await connection.script(revokeSessions, keys, args)) === 1
      tell('revoked')
      return stays === undefined || stayed
    },
  }
}
