import { describe, expect, test } from 'vitest'
import { entryIdentity, leaseText, refreshLeaseKey } from '../../src/protocol/index.ts'
import { runScript } from './run-script.ts'
import {
  KEY,
  redis,
  deadline,
  tail,
  setting,
  write,
  read,
  lease,
  increment,
  LEASE,
  setMaxmemory,
} from './script-fixture.ts'
import {
  expireScript,
  refreshScript,
  stampScript,
  sweepScript,
  type WriteOperation,
  writeScript,
} from './protocol.ts'

describe('a full server', () => {
  const fill = async (on = true): Promise<void> => {
    await setMaxmemory(on ? '1' : '0')
  }

  test('stores nothing, says so, and goes on deleting and stamping', async () => {
    await write(setting(1), setting(1, 60_000, 's::2'))
    const identity = entryIdentity((await redis.get(KEY)) as string)
    await fill()
    expect(
      await write({ op: 'delete', key: 's::2' }, setting(3, 60_000, 's::3'), setting(2), {
        op: 'fill',
        key: KEY,
        identity,
        ttlMs: 1000,
        at: 1,
        tail: tail(1),
      }),
    ).toEqual(['done', 'full', 'full', 'full'])
    expect((await read()).value).toBe(1)
    expect(await redis.exists('s::2', 's::3')).toBe(0)
    expect(await lease('me', identity)).toEqual({ status: 'full' })
    const refresh = { key: KEY, leaseKey: refreshLeaseKey(KEY), deadline, ...LEASE, identity }
    expect(await runScript(redis, refreshScript, refresh)).toEqual({ status: 'full' })
    expect(await runScript(redis, expireScript, { key: KEY, deadline, ttlMs: 1000 })).toBe('full')
    expect(await increment()).toEqual({ status: 'full' })
    expect(await increment({ key: 's::none' })).toEqual({ status: 'full' })
    const keys = ['corral:stamp:{s}', 'corral:stamp:{s}:t']
    expect(await runScript(redis, stampScript, { keys, deadline, ttlMs: 1000 })).toHaveLength(2)
    const request = { keys: [KEY], deadline, stamp: 9e15, skewUs: 0, prefix: 's::' }
    expect(await runScript(redis, sweepScript, request)).toBe(1)
    await fill(false)
    expect(await write(setting(2))).toEqual(['done'])
  })

  test('a refused set or fill drops the lease in its way', async () => {
    for (const operation of ['set', 'fill'] as const) {
      await fill(false)
      const held = (await lease()) as { at: number }
      await fill()
      const identity = leaseText('me', held.at)
      const it: WriteOperation =
        operation === 'set'
          ? setting(1)
          : { op: 'fill', key: KEY, identity, ttlMs: 1000, at: held.at, tail: tail(1) }
      expect(await write(it)).toEqual(['full'])
      expect(await redis.exists(KEY)).toBe(0)
    }
  })

  test('is not written past its limit, by whatever order of deletes and sets', async () => {
    const value = 'x'.repeat(2000)
    const used = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    // The limit lies 3 MB above what is used now; 400 calls offer 8 MB.
    const limit = (await used()) + 3_000_000
    await setMaxmemory(String(limit))
    let refused = 0
    for (let i = 0; i < 400; i++) {
      const outcomes = await write(
        { op: 'delete', key: 's::gone' },
        ...Array.from({ length: 10 }, (_, n) => setting(value, 60_000, `s::${i}:${n}`)),
      )
      if (outcomes[1] === 'full') refused++
    }
    expect(refused).toBeGreaterThan(100)
    // A script that starts below the limit may end above it by what it carries, no more.
    expect(await used()).toBeLessThan(limit + 50_000)
    expect(await write({ op: 'delete', key: 's::0:0' })).toEqual(['done'])
  })

  test('would be written past its limit by a script that deletes first', async () => {
    const lua = writeScript.lua.replace('full = failed', 'full = false and failed')
    const deletesFirst = { ...writeScript, lua }
    await write(setting(1))
    await fill()
    const operations: WriteOperation[] = [{ op: 'delete', key: KEY }, setting(2, 60_000, 's::2')]
    const reply = await runScript(redis, deletesFirst, { deadline, operations })
    expect(reply.outcomes).toEqual(['done', 'done']) // why the guard is there
  })
})
