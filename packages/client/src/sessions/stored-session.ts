import { type Connection, isCorralError } from '@corral/connection'
import type { SessionAddress, SessionAddresses } from './session-address.ts'
import { readSession } from './session-scripts.ts'

/** What Redis holds of a session. Times are µs of its server unless they say otherwise. */
export interface StoredSession {
  /** JSON. */
  readonly data: string
  /** `''` for nobody's. */
  readonly user: string
  /** Since when it is that user's. */
  readonly born: number
  readonly created: number
  /** Epoch ms at which it ends when it is not used any more. */
  readonly expiresAt: number
  /** When it ends however much it is used. */
  readonly ends: number
  /** How long it lives unused. */
  readonly idle: number
  readonly label: string
}

/** Reads what a script of `session-scripts.ts` told. */
export function storedSession(reply: unknown): StoredSession | undefined {
  if (!Array.isArray(reply)) return undefined
  const [data, user, born, created, expires, ends, idle, label] = reply as [string, ...string[]]
  return {
    data,
    user: user!,
    born: Number(born),
    created: Number(created),
    expiresAt: Math.floor(Number(expires) / 1000),
    ends: Number(ends),
    idle: Number(idle),
    label: label!,
  }
}

/** Two servers' clocks are taken to agree so far; in a cluster stamp and session may lie on two. */
export const CLOCK_SKEW_MICROS = 250_000

/** Up to which µs a user's sessions are revoked, told to one that lies apart from the stamp; 0 = none. */
export async function revokedUntil(
  connection: Connection,
  addresses: SessionAddresses,
  user: string,
): Promise<number> {
  const stamp = Number(await connection.get(addresses.stampKey(addresses.routeOf(user))))
  return stamp > 0 && connection.isCluster ? stamp + CLOCK_SKEW_MICROS : stamp
}

/** Reads a session if it is alive, in one round trip; two for one that lies apart from its user. */
export async function readStored(
  connection: Connection,
  addresses: SessionAddresses,
  address: SessionAddress,
  absoluteMs: number,
  use: boolean,
  idleMs = 0,
): Promise<StoredSession | undefined> {
  const keys = [address.key, addresses.stampKey(address.route)]
  const stored = storedSession(
    await connection.script(readSession, keys, [
      absoluteMs * 1000,
      use ? 1 : 0,
      Math.round(idleMs * 1000),
    ]),
  )
  if (stored === undefined || address.native || stored.user === '') return stored
  return stored.born > (await revokedUntil(connection, addresses, stored.user)) ? stored : undefined
}

/** Whether Redis refused because keys lie in two slots: a cluster that was not known as one yet. */
export function isCrossSlot(error: unknown): boolean {
  return isCorralError(error, 'REDIS_REPLY') && error.message.includes('CROSSSLOT')
}
