import { Redis } from 'ioredis'
import { startRedis } from '@corral/testing'
import { within } from '../within.ts'

/** The Redis that the demo runs on. */
export interface DemoRedis {
  readonly url: string
  /** Says where it is, without a password. */
  readonly description: string
  /** Only for a server that is the demo's own: freezes and thaws it. */
  readonly freezer?: { pause(): Promise<void>; resume(): Promise<void> }
  /** Connections that are open, without the one that asks; only for the demo's own server. */
  connections?(): Promise<number>
  /** Ends the demo's own server, or removes the demo's keys from somebody else's. */
  release(): Promise<void>
}

/**
 * A private server, or the one that `REDIS_URL` names. That one belongs to somebody: it is not
 * frozen, and only keys that begin with `ownPrefix` are removed from it.
 */
export async function findRedis(url: string | undefined, ownPrefix: string): Promise<DemoRedis> {
  if (url !== undefined && url !== '') return borrowRedis(url, 'REDIS_URL', ownPrefix)
  const server = await startRedis()
  if (server.source === 'external') return borrowRedis(server.url, 'TEST_REDIS_URL', ownPrefix)
  return {
    url: server.url,
    description: `${server.version} on ${server.host}:${server.port} (private)`,
    freezer: { pause: () => server.pause(), resume: () => server.resume() },
    async connections() {
      const list = String(await server.command('CLIENT', 'LIST'))
      return list.trim().split('\n').length - 1
    },
    release: () => server.stop(),
  }
}

async function borrowRedis(url: string, variable: string, ownPrefix: string): Promise<DemoRedis> {
  const place = withoutSecrets(url)
  await expectAnswer(url, `${place} (${variable})`)
  return {
    url,
    description: `${place} (${variable})`,
    release: () => removeKeys(url, ownPrefix),
  }
}

function withoutSecrets(url: string): string {
  // Does not repeat it: whatever it is, it may hold a password.
  if (!/^rediss?:\/\/./.test(url) || !URL.canParse(url)) {
    throw new Error('REDIS_URL is not a URL such as redis://localhost:6379')
  }
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

async function expectAnswer(url: string, place: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 2000, lazyConnect: true })
  let reason = 'it does not answer'
  redis.on('error', (error: Error) => {
    reason = error.message
  })
  try {
    const pong = await within(redis.ping(), 3000)
    if (!pong.done) throw new Error('no answer')
  } catch (error) {
    throw new Error(`there is no usable Redis at ${place}: ${reason}`, { cause: error })
  } finally {
    redis.disconnect()
  }
}

async function removeKeys(url: string, ownPrefix: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 3 })
  redis.on('error', () => {})
  try {
    let cursor = '0'
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `*${ownPrefix}*`, 'COUNT', 500)
      if (keys.length > 0) await redis.unlink(...keys)
      cursor = next
    } while (cursor !== '0')
  } finally {
    redis.disconnect()
  }
}
