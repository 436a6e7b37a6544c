import type { Connection } from '@corral/connection'
import type { SessionAddresses } from './session-address.ts'
import { createSessionScript } from './session-scripts.ts'
import { CLOCK_SKEW_MICROS, type StoredSession } from './stored-session.ts'

/** A session as it was handed out: this is the only place where its id stands. */
export interface NewSession {
  /** For the cookie. Random, 256 bits; Redis has only its hash. */
  readonly id: string
  /** Epoch ms of the server at which it ends when it is not used. */
  readonly expiresAt: number
}

/** What a session begins with. */
export interface SessionDraft {
  readonly data: string
  /** `''` for nobody's. */
  readonly user: string
  /** µs that it lives unused, and at most. */
  readonly idle: number
  readonly absolute: number
  readonly label: string
}

/**
 * Stores a session under a new id.
 *
 * @param route where it lies; left out: at random
 * @param past what it was on another server, whose age it keeps; `undefined` comes of one that was
 * revoked meanwhile or is over
 */
export async function makeSession(
  connection: Connection,
  addresses: SessionAddresses,
  { data, user, idle, absolute, label }: SessionDraft,
  route?: string,
  past?: Pick<StoredSession, 'born' | 'created' | 'ends'>,
): Promise<NewSession | undefined> {
  const { id, address } = addresses.create(route)
  const keys = [address.key, addresses.stampKey(address.route), addresses.indexKey(address.route)]
  const { born, created, ends } = past ?? { born: 0, created: 0, ends: 0 }
  const life = [idle, absolute, label, born, created, ends, CLOCK_SKEW_MICROS]
  const args = [data, user, address.member, ...life]
  const reply = await connection.script(createSessionScript, keys, args)
  return reply === null ? undefined : { id, expiresAt: Math.floor(Number(reply) / 1000) }
}
