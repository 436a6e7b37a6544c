import { commandTo, versionIn } from './deployment.ts'
import type { NodeRef, RedisNode, TestRedis } from './test-redis.ts'

/** The handle for a server that somebody else runs (`TEST_REDIS_URL`): it can only be talked to. */
export async function attachToRedis(url: string): Promise<TestRedis> {
  const parsed = parse(url)
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const port = Number(parsed.port || 6379)
  const target = {
    host,
    port,
    username: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
  }
  const node: RedisNode = { name: 'redis', host, port, pid: undefined, role: 'master' }
  const info = await commandTo(target, ['INFO', 'server'])
  const refuse = (verb: string) => (): Promise<never> =>
    Promise.reject(
      new Error(
        `cannot ${verb} the server of TEST_REDIS_URL: it is not ours. Unset TEST_REDIS_URL to have a private one started`,
      ),
    )
  const check = (ref: NodeRef): void => {
    if (ref !== node && ref !== node.name && ref !== 0)
      throw new Error('no such node: there is only one')
  }
  return {
    mode: 'standalone',
    source: 'external',
    version: versionIn(info),
    host,
    port,
    url,
    nodes: [node],
    pause: refuse('pause'),
    resume: refuse('resume'),
    kill: refuse('kill'),
    restart: refuse('restart'),
    failover: refuse('fail over'),
    command: (...args) => commandTo(target, args),
    commandOn: async (ref, ...args) => {
      check(ref)
      return commandTo(target, args)
    },
    stop: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function parse(url: string): URL {
  const rule = 'TEST_REDIS_URL must look like redis://host:port'
  // What is wrong is said without the value, which may hold a password.
  if (!URL.canParse(url)) throw new TypeError(rule)
  const parsed = new URL(url)
  if (parsed.protocol !== 'redis:' || parsed.hostname === '') throw new TypeError(rule)
  return parsed
}
