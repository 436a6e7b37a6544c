import type { ConnectionTarget } from '@corral/connection'
import type { EnvReader } from './env-reader.ts'

/** What the `REDIS_*` variables say about where Redis is. */
export interface RedisTarget {
  readonly target: ConnectionTarget
  /** None of them was set: `target` is this machine. */
  readonly targetIsDefault: boolean
}

interface HostAndPort {
  readonly host: string
  readonly port: number
}

const nowhere = 'redis://127.0.0.1:6379'

/** Values are never repeated here: an address may hold a password. */
export function readRedisTarget(read: EnvReader): RedisTarget {
  const url = read.text('REDIS_URL')
  const host = read.text('REDIS_HOST')
  const port = read.whole('REDIS_PORT', 1, 65_535)
  const password = read.text('REDIS_PASSWORD')
  const clustered = read.flag('REDIS_CLUSTER_ENABLED')
  const nodes = readNodes(read)
  const checked = url === undefined ? undefined : checkUrl(read, url, password)
  if (host !== undefined && /[\s/@]/.test(host)) {
    read.wrong('REDIS_HOST', 'must be a host name or an address, without a scheme or a password')
  }

  if (clustered === true) {
    if (nodes === undefined) {
      read.wrong('REDIS_CLUSTER_NODES', 'must be set when REDIS_CLUSTER_ENABLED is true')
    }
    const redisOptions = password === undefined ? undefined : { password }
    const target = { cluster: nodes ?? [], ...(redisOptions && { redisOptions }) }
    return { target, targetIsDefault: false }
  }
  if (checked !== undefined) return { target: checked, targetIsDefault: false }
  if (host === undefined && port === undefined && password === undefined) {
    return { target: nowhere, targetIsDefault: true }
  }
  const options = { host: host ?? '127.0.0.1', port: port ?? 6379 }
  const target = { ...options, ...(password !== undefined && { password }) }
  return { target, targetIsDefault: false }
}

/** The URL with the password that stands beside it, if it has none itself. */
function checkUrl(read: EnvReader, text: string, password: string | undefined): string {
  let url: URL
  try {
    url = new URL(text)
    decodeURIComponent(url.username + url.password)
  } catch {
    read.wrong('REDIS_URL', "must look like 'redis://user:password@host:6379'")
    return nowhere
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    read.wrong('REDIS_URL', `must begin with redis:// or rediss://`)
  } else if (url.hostname === '') read.wrong('REDIS_URL', 'must name a host')
  else if (url.searchParams.has('keyPrefix')) {
    read.wrong('REDIS_URL', 'must not set a keyPrefix: BullMQ refuses it, Corral has namespaces')
  }
  if (url.password !== '' || password === undefined) return text
  url.password = encodeURIComponent(password)
  return url.href
}

function readNodes(read: EnvReader): HostAndPort[] | undefined {
  const text = read.text('REDIS_CLUSTER_NODES')
  if (text === undefined) return undefined
  const nodes: HostAndPort[] = []
  for (const [index, node] of text.split(',').entries()) {
    const found = /^(?:\[([\da-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/i.exec(node.trim())
    const port = Number(found?.[3])
    if (found === null || port < 1 || port > 65_535) {
      read.wrong(
        'REDIS_CLUSTER_NODES',
        `must be a list such as 'a:6379,b:6379'; look at entry ${index + 1}`,
      )
    } else nodes.push({ host: (found[1] ?? found[2]) as string, port })
  }
  return nodes
}
