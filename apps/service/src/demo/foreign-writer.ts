import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Redis } from 'ioredis'

/** Somebody who writes to Redis and has never heard of Corral. */
export interface ForeignWriter {
  readonly name: 'redis-cli' | 'a plain connection'
  /** Sends the write; does not wait for the answer. */
  set(redisKey: string, text: string, ttlMs: number): void
  close(): Promise<void>
}

/** redis-cli where there is one. */
export async function openForeignWriter(url: string): Promise<ForeignWriter> {
  return (await openRedisCli(url)) ?? openPlain(url)
}

async function openRedisCli(address: string): Promise<ForeignWriter | undefined> {
  const url = new URL(address)
  const user = decodeURIComponent(url.username)
  const password = decodeURIComponent(url.password)
  const database = url.pathname.slice(1)
  const child = spawn(
    'redis-cli',
    [
      '-h',
      url.hostname,
      '-p',
      url.port || '6379',
      ...(url.protocol === 'rediss:' ? ['--tls'] : []),
      ...(user === '' ? [] : ['--user', user]),
      ...(database === '' ? [] : ['-n', database]),
    ],
    {
      // Not as an argument, which everybody on this machine could read.
      env: {
        PATH: process.env['PATH'] ?? '',
        ...(password === '' ? {} : { REDISCLI_AUTH: password }),
      },
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  const started = await Promise.race([
    once(child, 'spawn').then(() => true),
    once(child, 'error').then(() => false),
  ]).catch(() => false)
  if (!started) return undefined
  const ended = once(child, 'exit')
  // A write to a redis-cli that is gone shows as one that nobody saw.
  child.stdin.on('error', () => {})
  return {
    name: 'redis-cli',
    set(redisKey, text, ttlMs) {
      // In its single quotes a single quote is the only thing to be escaped.
      const quoted = text.replaceAll("'", String.raw`\'`)
      child.stdin.write(`SET ${redisKey} '${quoted}' PX ${ttlMs}\n`)
    },
    async close() {
      child.stdin.end()
      const force = setTimeout(() => child.kill('SIGKILL'), 1000)
      await ended
      clearTimeout(force)
    },
  }
}

async function openPlain(url: string): Promise<ForeignWriter> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, lazyConnect: true })
  redis.on('error', () => {})
  await redis.connect()
  return {
    name: 'a plain connection',
    set: (redisKey, text, ttlMs) =>
      void redis.set(redisKey, text, 'PX', ttlMs).catch(() => undefined),
    close: async () => redis.disconnect(),
  }
}
