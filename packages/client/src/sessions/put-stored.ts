import type { Connection } from '@corral/connection'
import type { SessionAddress, SessionAddresses } from './session-address.ts'
import { enlistSession, putSession } from './session-scripts.ts'
import { revokedUntil } from './stored-session.ts'

/**
 * Writes a session under an id that somebody else chose. It lies apart from its user's stamp, so its
 * entry in the user's list is made in a second step, and only when it is new there.
 *
 * @param inStore one that was over a moment ago is not made anew: such ids are random, and never used again
 */
export async function putStored(
  connection: Connection,
  addresses: SessionAddresses,
  address: SessionAddress,
  data: string,
  user: string,
  idleMs: number,
  absoluteMs: number,
  inStore: boolean,
): Promise<boolean> {
  const revoked = user === '' ? 0 : await revokedUntil(connection, addresses, user)
  const args = [
    data,
    user,
    Math.round(idleMs * 1000),
    absoluteMs * 1000,
    revoked + 1,
    inStore ? 1 : 0,
  ]
  const reply = (await connection.script(putSession, [address.key], args)) as [
    number,
    number,
    string,
    string,
  ]
  const [stored, fresh, born, ends] = reply
  if (stored !== 1 || user === '') return stored === 1
  if (fresh !== 1) return Number(born) > revoked
  const index = addresses.indexKey(addresses.routeOf(user))
  await connection.script(enlistSession, [index], [address.member, ends])
  return true
}
