import { type Connection, shareConnection } from '@corral/connection'
import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Cluster, Redis } from 'ioredis'

export type Mode = 'standalone' | 'cluster'

/** A Redis of its own with a connection, for either kind of deployment. */
export interface Bed {
  readonly server: TestRedis
  readonly connection: Connection
  readonly client: Redis | Cluster
  flush(): Promise<void>
  /** Keys on all masters. */
  keys(): Promise<string[]>
  /** Everything that Redis holds, as one text: for what must not be in it. */
  dump(): Promise<string>
  stop(): Promise<void>
}

export async function makeBed(mode: Mode): Promise<Bed> {
  const server = await startRedis({ mode })
  const client =
    mode === 'cluster'
      ? new Cluster([{ host: server.host, port: server.port }])
      : new Redis(server.port, server.host, {
          maxRetriesPerRequest: null,
          socketTimeout: 15_000,
          retryStrategy: () => 100,
        })
  client.on('error', () => {})
  const connection = shareConnection(client, { deadline: mode === 'cluster' ? '5s' : '1s' })
  await waitFor(() => connection.set('warm', '1').then(() => true), { timeout: 30_000 })
  const masters = (): TestRedis['nodes'] => server.nodes.filter(({ role }) => role === 'master')
  async function keys(): Promise<string[]> {
    const all = await Promise.all(
      masters().map((node) => server.commandOn(node, 'KEYS', 'corral:*')),
    )
    return (all as string[][]).flat()
  }
  return {
    server,
    connection,
    client,
    keys,
    async flush() {
      for (const node of masters()) await server.commandOn(node, 'FLUSHALL')
    },
    async dump() {
      const texts: string[] = []
      for (const node of masters()) {
        for (const key of (await server.commandOn(node, 'KEYS', '*')) as string[]) {
          const type = String(await server.commandOn(node, 'TYPE', key))
          const value =
            type === 'hash'
              ? await server.commandOn(node, 'HGETALL', key)
              : type === 'zset'
                ? await server.commandOn(node, 'ZRANGE', key, 0, -1)
                : await server.commandOn(node, 'GET', key)
          texts.push(key, JSON.stringify(value))
        }
      }
      return texts.join('\n')
    },
    async stop() {
      await connection.close()
      client.disconnect()
      await server.stop()
    },
  }
}

/** The same connection, but something is done once before the script of this name is first sent. */
export function beforeScript(
  connection: Connection,
  name: string,
  act: () => Promise<unknown>,
): Connection {
  let acted = false
  const script: Connection['script'] = async (which, ...rest) => {
    if (which.name === name && !acted) {
      acted = true
      await act()
    }
    return connection.script(which, ...rest)
  }
  return Object.create(connection, { script: { value: script } }) as Connection
}
