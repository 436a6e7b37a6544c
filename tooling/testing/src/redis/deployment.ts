import { releasePort } from '../free-port.ts'
import { openRawConnection } from '../resp/raw-connection.ts'
import type { Reply } from '../resp/reply.ts'
import { isLimitedRun, refusalsIn } from '../acl/limited-run.ts'
import { startServer } from './launch-server.ts'
import type { Server } from './server.ts'
import type { NodeRef, RedisMode, RedisNode, RedisRole, TestRedis } from './test-redis.ts'

/** A server and what the tests see of it. */
export interface Member {
  readonly server: Server
  readonly node: RedisNode
  setRole(role: RedisRole): void
}

export interface Deployment {
  mode: RedisMode
  source: 'docker' | 'binary'
  members: readonly Member[]
  sentinels: readonly Member[]
  masterName?: string
  cli: string | undefined
  password: string | undefined
  /** Hands the part of `master` over to another member, waits until that is so, returns it. */
  failover(master: Member): Promise<Member>
}

export function createMember(server: Server, role: RedisRole): Member {
  let current = role
  const node: RedisNode = {
    name: server.spec.name,
    host: server.host,
    port: server.spec.port,
    get pid() {
      return server.pid()
    },
    get role() {
      return current
    },
  }
  return { server, node, setRole: (next) => (current = next) }
}

export function addressOf({ node }: Member): { host: string; port: number } {
  return { host: node.host, port: node.port }
}

/** Sends one command to a member over a connection that lives for it alone. */
export async function commandTo(
  target: {
    host: string
    port: number
    username?: string
    password?: string | undefined
    timeout?: number
  },
  args: readonly (string | number | Buffer)[],
): Promise<Reply> {
  const { host, port, username, password, timeout } = target
  const connection = await openRawConnection({
    host,
    port,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(timeout === undefined ? {} : { timeout }),
  })
  try {
    return await connection.send(...args)
  } finally {
    connection.close()
  }
}

/** The handle that tests hold, for servers that are ours. */
export async function createHandle(deployment: Deployment): Promise<TestRedis> {
  const { members, sentinels, password } = deployment
  const everybody = [...members, ...sentinels]
  const first = members[0]
  if (first === undefined) throw new Error('a deployment needs a server')
  let stopped: Promise<void> | undefined

  const firstMaster = (): Member => members.find((m) => m.node.role === 'master') ?? first
  const find = (ref: NodeRef | undefined): Member => {
    if (ref === undefined) return firstMaster()
    const found =
      typeof ref === 'number'
        ? members[ref]
        : everybody.find((m) => m.node === ref || m.node.name === ref)
    if (found !== undefined) return found
    const names = everybody.map((m) => m.node.name).join(', ')
    throw new Error(`no such node: ${typeof ref === 'object' ? ref.name : ref}; there are ${names}`)
  }
  const send = ({ node }: Member, args: readonly (string | number | Buffer)[]): Promise<Reply> => {
    const auth = node.role === 'sentinel' ? undefined : password
    return commandTo({ host: node.host, port: node.port, password: auth }, args)
  }
  const refused: string[] = []
  /** Notes what a server refused so far. A dead one has no say. */
  const collectRefusals = async (member: Member): Promise<void> => {
    if (!isLimitedRun() || member.node.role === 'sentinel') return
    await member.server.resume().catch(() => undefined)
    const target = { ...addressOf(member), timeout: 500 }
    const log = await commandTo(target, ['ACL', 'LOG', 1_000]).catch(() => null)
    refused.push(...refusalsIn(log))
  }
  const end = async (): Promise<void> => {
    await Promise.all(members.map(collectRefusals))
    await Promise.all(everybody.map((m) => m.server.remove()))
    for (const { node } of everybody) releasePort(node.port)
    if (refused.length > 0)
      throw new Error(`the least account does not allow: ${[...new Set(refused)].join('; ')}`)
  }
  const stop = (): Promise<void> => (stopped ??= end())
  const { host, port } = first.node

  return {
    mode: deployment.mode,
    source: deployment.source,
    version: versionIn(await send(first, ['INFO', 'server'])),
    host,
    port,
    url: password
      ? `redis://:${encodeURIComponent(password)}@${host}:${port}`
      : `redis://${host}:${port}`,
    nodes: members.map((m) => m.node),
    ...(sentinels.length > 0 ? { sentinels: sentinels.map((m) => m.node) } : {}),
    ...(deployment.masterName === undefined ? {} : { masterName: deployment.masterName }),
    ...(deployment.cli === undefined ? {} : { cli: deployment.cli }),
    pause: async (node) => find(node).server.pause(),
    resume: async (node) => find(node).server.resume(),
    async kill(node) {
      await collectRefusals(find(node))
      await find(node).server.kill()
    },
    async restart(node, options) {
      await collectRefusals(find(node))
      await startServer(find(node).server, options)
    },
    failover: async (node) => (await deployment.failover(find(node))).node,
    command: async (...args) => send(firstMaster(), args),
    commandOn: async (node, ...args) => send(find(node), args),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Reads `redis_version` (or `valkey_version`) out of an INFO reply. */
export function versionIn(info: Reply): string {
  const text = String(info)
  return (
    /valkey_version:(\S+)/.exec(text)?.[1] ?? /redis_version:(\S+)/.exec(text)?.[1] ?? 'unknown'
  )
}
