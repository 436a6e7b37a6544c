import { createHash, createHmac, randomBytes } from 'node:crypto'
import { describeValue, ownKey } from '@corral/connection'
import { isWellFormed, requireWellFormed } from '../keys/well-formed.ts'

/**
 * Where a session lies. `route` is in its hash tag: a session that was created for a user has that
 * user's route, so it shares a slot with the stamp that revokes it, and one script sees both.
 */
export interface SessionAddress {
  readonly route: string
  /** Names the session in the list of its user: route, what made it, hash of the id. */
  readonly member: string
  /** Made by {@link SessionAddresses.create}: may be updated, but never come to be by a write. */
  readonly native: boolean
  readonly key: string
}

/** Turns ids and users into keys; ids themselves never reach Redis. */
export interface SessionAddresses {
  /** A new random id of 256 bits, behind its route: the user's, or a random one. */
  create(route?: string): { readonly id: string; readonly address: SessionAddress }
  /** @throws TypeError for what is no non-empty string of up to 1,000 characters */
  of(id: string): SessionAddress
  /** The same for the sessions of an express store, which lie under keys of another kind. */
  ofStore(id: string): SessionAddress
  ofMember(member: string): SessionAddress
  /** @throws TypeError for what is no non-empty string */
  routeOf(user: string): string
  stampKey(route: string): string
  indexKey(route: string): string
  /** What stands for a session where its owner sees it: says nothing about the id. */
  handle(member: string): string
}

const ROUTE_LENGTH = 22
/** Kind of the keys of an express store. */
export const STORE_KIND = 'session-store'
const NATIVE = /^[\w-]{22}\.[\w-]{43}$/

export function createSessionAddresses(
  namespace: string,
  secret: string | undefined,
): SessionAddresses {
  function digest(purpose: string, text: string): string {
    const hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret)
    return hash.update(`${purpose}\0${text}`).digest('base64url')
  }

  function addressOf(kind: string, route: string, hash: string, native: boolean): SessionAddress {
    return {
      route,
      native,
      member: `${route}${kind === 'session' ? '.' : '~'}${hash}`,
      key: ownKey(kind, `${namespace}:${route}`, 'id', hash),
    }
  }

  function hashOf(id: string): string {
    if (typeof id !== 'string' || id === '' || id.length > 1_000) {
      // An id is a secret: its length is all that may be told.
      throw new TypeError(
        `session id: must be a string of 1 to 1000 characters, received ${typeof id === 'string' ? `${id.length} characters` : describeValue(id)}`,
      )
    }
    // A secret too: no more than the rule may be told.
    if (!isWellFormed(id)) throw new TypeError('session id: must be well-formed UTF-16')
    return digest('id', id)
  }

  function of(id: string): SessionAddress {
    const hash = hashOf(id)
    if (NATIVE.test(id)) return addressOf('session', id.slice(0, ROUTE_LENGTH), hash, true)
    return addressOf('session', foreignRoute(id), hash, false)
  }

  function foreignRoute(id: string): string {
    return digest('route', id).slice(0, ROUTE_LENGTH)
  }

  function routeOf(user: string): string {
    if (typeof user !== 'string' || user === '') {
      throw new TypeError(`userId: must be a non-empty string, received ${describeValue(user)}`)
    }
    requireWellFormed(user, 'userId')
    return digest('user', `${namespace}\0${user}`).slice(0, ROUTE_LENGTH)
  }

  return {
    create(route = randomBytes(24).toString('base64url').slice(0, ROUTE_LENGTH)) {
      const id = `${route}.${randomBytes(32).toString('base64url')}`
      return { id, address: of(id) }
    },
    of,
    ofStore: (id) => addressOf(STORE_KIND, foreignRoute(id), hashOf(id), false),
    ofMember(member) {
      const kind = member[ROUTE_LENGTH] === '~' ? STORE_KIND : 'session'
      return addressOf(kind, member.slice(0, ROUTE_LENGTH), member.slice(ROUTE_LENGTH + 1), true)
    },
    routeOf,
    stampKey: (route) => ownKey('session', `${namespace}:${route}`, 'revoked'),
    indexKey: (route) => ownKey('session', `${namespace}:${route}`, 'of-user'),
    handle: (member) => digest('handle', member).slice(0, ROUTE_LENGTH),
  }
}
