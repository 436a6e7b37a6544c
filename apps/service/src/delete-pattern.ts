import { compilePattern, createKeyspace, type Connection } from '@corral/connection'
import type { Cache } from '@corral/core'

/**
 * Removes the entries whose keys match, page by page, and says how many went. An entry that is
 * being loaded while this runs may come in behind the page that it belongs to.
 */
export async function deletePattern(
  connection: Connection,
  cache: Cache,
  pattern: string,
): Promise<number> {
  const keyspace = createKeyspace({ namespace: cache.namespace })
  const { exactKey, scanPatterns, test } = compilePattern(keyspace, pattern)
  const gone = new Set<string>()

  async function remove(redisKeys: readonly string[]): Promise<void> {
    const keys = redisKeys.map((redisKey) => keyspace.decode(redisKey))
    // SCAN gives some keys twice.
    const fresh = keys.filter((key) => key !== undefined && test(key) && !gone.has(key)) as string[]
    const removed = await cache.deleteMany(fresh)
    for (const [index, key] of fresh.entries()) if (removed[index]) gone.add(key)
  }

  if (exactKey !== undefined && (await connection.get(exactKey)) !== null) await remove([exactKey])
  for (const scanPattern of scanPatterns) {
    for await (const page of connection.scan(scanPattern)) await remove(page)
  }
  return gone.size
}
