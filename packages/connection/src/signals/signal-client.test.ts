import { Redis as Redis6 } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { describe, expect, it } from 'vitest'
import { duplicateForSignals } from './signal-client.ts'

const inherited = {
  host: 'redis.internal',
  port: 7000,
  username: 'service',
  password: 'secret',
  db: 3,
  tls: { servername: 'redis.internal' },
  family: 6,
  sentinels: [{ host: 'sentinel.internal', port: 26_379 }],
  name: 'main',
  sentinelPassword: 'other-secret',
  enableTLSForSentinelMode: true,
  natMap: { '10.0.0.1:7000': { host: 'nat', port: 1 } },
}
const harmful = {
  keyPrefix: 'app:',
  commandTimeout: 50,
  socketTimeout: 500,
  maxRetriesPerRequest: 20,
  enableAutoPipelining: true,
  failoverDetector: true,
  reconnectOnError: () => 2 as const,
}

describe.each([
  { major: 6, Redis: Redis6 },
  { major: 5, Redis: Redis5 as unknown as typeof Redis6 },
])('duplicateForSignals, ioredis $major', ({ Redis }) => {
  it('inherits where to connect and as whom, and no habit that queues, resends or reconnects', () => {
    const source = new Redis({ ...inherited, ...harmful, lazyConnect: true })
    const before = { ...source.options }
    const duplicate = duplicateForSignals(source, 1_234) as unknown as InstanceType<typeof Redis>
    expect(duplicate.status).toBe('wait')
    expect(duplicate.options).toMatchObject({
      ...inherited,
      protocol: 2,
      connectionName: 'corral:signals',
      keyPrefix: '',
      connectTimeout: 1_234,
      retryStrategy: null,
      reconnectOnError: null,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableAutoPipelining: false,
      failoverDetector: false,
    })
    expect(duplicate.options.commandTimeout).toBeUndefined()
    expect(duplicate.options.socketTimeout).toBeUndefined()
    expect(source.options).toEqual(before)
    duplicate.disconnect()
    source.disconnect()
  })
})
