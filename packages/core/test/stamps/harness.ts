import { shareConnection, type Connection, type ConnectionOptions } from '@corral/connection'
import type { TestRedis } from '@corral/testing'
import { Redis } from 'ioredis'

/** One process's view of a server: a client of its own, and so a guard and signals of its own. */
export interface Side {
  readonly client: Redis
  readonly connection: Connection
  end(): Promise<void>
}

/** These tests are about what is done, not how fast: they shall pass on a busy machine. */
const PATIENT: ConnectionOptions = { deadline: '5s', onWarning: () => {} }

export function openSide(
  server: Pick<TestRedis, 'host' | 'port'>,
  options: ConnectionOptions = {},
): Side {
  const client = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    retryStrategy: () => 50,
  })
  client.on('error', () => {})
  const connection = shareConnection(client, { ...PATIENT, ...options })
  return {
    client,
    connection,
    async end() {
      await connection.close()
      client.disconnect()
    },
  }
}

/** Server time in microseconds. */
export async function serverMicros(server: TestRedis): Promise<number> {
  const [seconds, micros] = (await server.command('TIME')) as string[]
  return Number(seconds) * 1e6 + Number(micros)
}
