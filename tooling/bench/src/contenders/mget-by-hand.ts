import type { Redis } from 'ioredis'

/**
 * The limit of reads over ioredis: the GETs of a tick as MGETs of 100, and nothing else. No
 * deadline, no bound, no breaker; a reply that never comes is never told.
 */
export function mgetByHand(redis: Redis): (key: string) => Promise<string | null> {
  let keys: string[] = []
  let resolves: ((value: string | null) => void)[] = []
  let rejects: ((error: unknown) => void)[] = []

  function flush(): void {
    const [allKeys, allResolves, allRejects] = [keys, resolves, rejects]
    keys = []
    resolves = []
    rejects = []
    for (let from = 0; from < allKeys.length; from += 100) {
      redis.mget(allKeys.slice(from, from + 100)).then(
        (values) => {
          for (let i = 0; i < values.length; i++) allResolves[from + i]!(values[i] ?? null)
        },
        (error: unknown) => {
          for (const reject of allRejects.slice(from, from + 100)) reject(error)
        },
      )
    }
  }

  return (key) => {
    if (keys.length === 0) process.nextTick(flush)
    return new Promise((resolve, reject) => {
      keys.push(key)
      resolves.push(resolve)
      rejects.push(reject)
    })
  }
}
