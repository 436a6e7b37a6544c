import type { Keyspace } from '@corral/connection'

/**
 * The same keyspace with a memory for the keys in use. A key that was just put together is a new
 * string, which has to be joined and hashed before any table can be asked for it: that takes longer
 * than the rest of a near hit.
 *
 * @param most how many keys are remembered at least; at most twice as many
 */
export function rememberKeys(keyspace: Keyspace, most: number): Keyspace {
  let recent = new Map<string, string>()
  let older = new Map<string, string>()

  function key(text: string): string {
    const known = recent.get(text)
    if (known !== undefined) return known
    const redisKey = older.get(text) ?? keyspace.key(text)
    if (recent.size >= most) {
      older = recent
      recent = new Map()
    }
    recent.set(text, redisKey)
    return redisKey
  }

  return { ...keyspace, key }
}
