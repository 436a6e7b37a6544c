import type { TestRedis } from '@corral/testing'

/** Every key of a server. */
export async function keysOf(redis: TestRedis): Promise<string[]> {
  const keys: string[] = []
  let cursor = '0'
  do {
    const [next, some] = (await redis.command('SCAN', cursor, 'COUNT', 1000)) as [string, string[]]
    keys.push(...some)
    cursor = next
  } while (cursor !== '0')
  return [...new Set(keys)].toSorted()
}

/** What is at the keys that match, one line a key. */
export async function contentOf(redis: TestRedis, of: (key: string) => boolean): Promise<string[]> {
  const lines: string[] = []
  for (const key of (await keysOf(redis)).filter(of)) {
    lines.push(`${key} ${JSON.stringify(await redis.command('DUMP', key))}`)
  }
  return lines
}
