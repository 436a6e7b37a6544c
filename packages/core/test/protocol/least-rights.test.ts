import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { entryIdentity, leaseText, refreshLeaseKey } from '../../src/protocol/index.ts'
import { runScript } from './run-script.ts'
import { KEY, server, redis, deadline, tail, setting, LEASE } from './script-fixture.ts'
import {
  expireScript,
  incrementScript,
  leaseScript,
  refreshScript,
  stampScript,
  sweepScript,
  type Script,
  type Timed,
  type WriteOperation,
  writeScript,
} from './protocol.ts'

describe('an account with no more rights than the scripts need', () => {
  test('runs each of them, and is refused nothing', async () => {
    const commands =
      'eval evalsha time get getrange set setrange del unlink pttl pexpire persist incrby'.split(
        ' ',
      )
    const rights = [...commands, 'hello', 'info', 'ping'].map((name) => `+${name}`)
    const keysOf = ['~s::*', '~corral:*']
    await server.command(
      'ACL',
      'SETUSER',
      'least',
      'reset',
      'on',
      '>pw',
      ...keysOf,
      '-@all',
      ...rights,
    )
    await server.command('ACL', 'LOG', 'RESET')
    const least = new Redis(server.url, {
      username: 'least',
      password: 'pw',
      disableClientInfo: true,
    })
    const run = <Q extends Timed, R>(script: Script<Q, R>, request: Q): Promise<R> =>
      runScript(least, script, request)
    try {
      await run(writeScript, { deadline, operations: [setting(1)] })
      const identity = entryIdentity((await redis.get(KEY)) as string)
      const refresh = { key: KEY, leaseKey: refreshLeaseKey(KEY), deadline, ...LEASE, identity }
      expect(await run(refreshScript, refresh)).toMatchObject({ status: 'held' })
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: 9000 })).toBe('done')
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: Infinity })).toBe('done')
      const counter = { key: KEY, deadline, by: 1, ttlMs: 9000, stamp: 0, skewUs: 0 } as const
      await run(incrementScript, { ...counter, renew: 'always' })
      expect(await run(incrementScript, { ...counter, renew: 'always' })).toEqual({
        status: 'done',
        value: 3,
      })
      expect(await run(expireScript, { key: KEY, deadline, ttlMs: Infinity })).toBe('done')
      const [held] = await run(leaseScript, { keys: ['s::new'], deadline, ...LEASE })
      const text = leaseText('me', held?.status === 'held' ? held.at : 0)
      const operations: WriteOperation[] = [
        { op: 'extend', key: 's::new', identity: text, ttlMs: 9000 },
        { op: 'fill', key: 's::new', identity: text, ttlMs: 9000, at: 1, tail: tail(1) },
        { op: 'remove', key: KEY, identity: 'f'.repeat(40) },
        { op: 'delete', key: KEY },
      ]
      const { outcomes } = await run(writeScript, { deadline, operations })
      expect(outcomes).toEqual(['done', 'done', 'lost', 'done'])
      const keys = ['corral:stamp:{s}']
      expect(await run(stampScript, { keys, deadline, ttlMs: 9000 })).toHaveLength(1)
      const sweep = { keys: ['s::new'], deadline, stamp: 9e15, skewUs: 0, prefix: 's::' }
      expect(await run(sweepScript, sweep)).toBe(1)
      expect(await server.command('ACL', 'LOG')).toEqual([])
    } finally {
      least.disconnect()
    }
  })
})
