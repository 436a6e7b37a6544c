import { startRedis, waitFor } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { shareConnection } from '../../src/index.ts'
import { drivers, ignore, SHARED } from './drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

describe.each(drivers)('$name', ({ Redis }) => {
  it('is healthy where the ACL forbids PING', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>pass', '~*', '&*', '+@all', '-ping')
    const client = new Redis(redis.port, { ...SHARED, username: 'app', password: 'pass' })
    client.on('error', ignore)
    await using connection = shareConnection(client, QUIET)
    await connection.set('a', 'here')
    expect(await connection.health()).toMatchObject({ status: 'ok', healthy: true })
    client.disconnect()
  })

  it('is degraded, not down, while Redis cannot save and takes no writes', async () => {
    await using redis = await startRedis({
      prefer: 'binary',
      args: ['--enable-protected-configs', 'yes', '--save', '900', '1'],
    })
    const client = new Redis(redis.port, SHARED)
    client.on('error', ignore)
    await using connection = shareConnection(client, QUIET)
    await connection.set('a', 'here')
    await redis.command('CONFIG', 'SET', 'dir', '/proc')
    await redis.command('BGSAVE')
    await waitFor(
      async () => String(await redis.command('INFO', 'persistence')).includes('status:err'),
      { what: 'MISCONF' },
    )
    await expect(connection.set('a', 'more')).rejects.toMatchObject({ reason: 'refused' })
    expect(await connection.get('a')).toBe('here')
    expect(await connection.health()).toMatchObject({ status: 'degraded', healthy: false })
    client.disconnect()
  })
})
