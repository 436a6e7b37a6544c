import type { Connection } from '@corral/connection'
import type { SessionAddress, SessionAddresses } from './session-address.ts'
import { enlistSession, putSession } from './session-scripts.ts'
import { revokedUntil } from './stored-session.ts'

/** What the script replies when it has to know whether the session of another user was revoked. */
const WHOSE = 2

/**
 * Writes a session under an id that somebody else chose. It lies apart from its user's stamp, so its
 * entry in the user's list is made in a second step, and only when it is new there.
 *
 * @param inStore one that was over a moment ago, or revoked, is not made anew for anybody: such ids are
 * random, and never used again
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
  const idle = Math.round(idleMs * 1000)
  const args = [data, user, idle, absoluteMs * 1000, revoked + 1, inStore ? 1 : 0]

  async function put(
    owner: string,
    ownersRevoked: number,
  ): Promise<[number, number, string, string]> {
    const all = [...args, owner, ownersRevoked]
    return (await connection.script(putSession, [address.key], all)) as never
  }

  let reply = await put('', 0)
  while (reply[0] === WHOSE) {
    const owner = reply[2]
    reply = await put(`1${owner}`, await revokedUntil(connection, addresses, owner))
  }
  const [stored, fresh, born, ends] = reply
  if (stored !== 1 || user === '') return stored === 1
  if (fresh !== 1) return Number(born) > revoked
  const index = addresses.indexKey(addresses.routeOf(user))
  await connection.script(enlistSession, [index], [address.member, ends])
  return true
}
