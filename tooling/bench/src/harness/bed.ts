import { type Connection, shareConnection } from '@corral/connection'
import { type Cache, createCache } from '@corral/core'
import { startRedis, type TestRedis } from '@corral/testing'
import { Cluster, Redis } from 'ioredis'

/** Servers and clients that the rows of a run share. */
export interface Bed extends AsyncDisposable {
  /** Which adapters of peers/ take part. */
  readonly withPeers: boolean
  standalone(): Promise<Standalone>
  cluster(): Promise<Clustered>
}

export interface Standalone {
  readonly url: string
  /** The reference of all ratios. */
  readonly raw: Redis
  /** Corral on an ioredis client of its own, so that a row measures one of them at a time. */
  readonly corral: Connection
  /** Corral's cache on that connection, in Redis alone: what a user of it calls. */
  readonly cache: Cache
  /** One more plain client, closed with the bed; for limits written by hand and for peers. */
  client(): Redis
}

export interface Clustered {
  readonly raw: Cluster
  readonly corral: Connection
}

/** Starts servers when a row first asks for them. */
export function createBed(withPeers: boolean): Bed {
  const undo: (() => unknown)[] = []
  let alone: Promise<Standalone> | undefined
  let clustered: Promise<Clustered> | undefined

  async function start(mode: 'standalone' | 'cluster'): Promise<TestRedis> {
    // A container's network would be measured too; a server that was named is taken as it is.
    const named = process.env['TEST_REDIS_URL'] ?? process.env['CORRAL_TEST_REDIS']
    const server = await startRedis(named === undefined ? { mode, prefer: 'binary' } : { mode })
    undo.push(() => server.stop())
    return server
  }

  async function startStandalone(): Promise<Standalone> {
    const { url } = await start('standalone')
    const client = (): Redis => {
      const redis = new Redis(url, { socketTimeout: 15_000 })
      undo.push(() => redis.disconnect())
      return redis
    }
    // Longer deadlines take a timer each, which nobody who caches would ask for.
    const corral = shareConnection(client(), { deadline: '1s' })
    undo.push(() => corral.close())
    const cache = createCache({ connection: corral, namespace: 'bench', ttl: '1h' })
    undo.push(() => cache.close())
    return { url, raw: client(), corral, cache, client }
  }

  async function startCluster(): Promise<Clustered> {
    const { nodes } = await start('cluster')
    const addresses = nodes.map(({ host, port }) => ({ host, port }))
    const open = (): Cluster => {
      const cluster = new Cluster(addresses, { redisOptions: { socketTimeout: 15_000 } })
      undo.push(() => cluster.disconnect())
      return cluster
    }
    const corral = shareConnection(open(), { deadline: '1s' })
    undo.push(() => corral.close())
    return { raw: open(), corral }
  }

  return {
    withPeers,
    standalone: () => (alone ??= startStandalone()),
    cluster: () => (clustered ??= startCluster()),
    async [Symbol.asyncDispose]() {
      for (const step of undo.toReversed()) await step()
    },
  }
}
