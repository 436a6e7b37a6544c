import { PGlite } from '@electric-sql/pglite'
import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRedisFence, createSqlFence, type RunStatement } from '../src/index.ts'
import { openBench } from './harness.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

/** A holder that reads, is stopped for as long as it takes, and writes. */
interface Step {
  (): Promise<void>
}

describe('the fence in SQL', () => {
  async function table(): Promise<[PGlite, RunStatement]> {
    const db = await PGlite.create()
    await db.exec(
      'CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL, fence bigint NOT NULL DEFAULT 0)',
    )
    await db.exec('INSERT INTO accounts VALUES (1, 0)')
    return [db, async (text, values) => (await db.query(text, [...values])).affectedRows ?? 0]
  }

  it('takes no write of an old holder, before or after the new one writes', async () => {
    const [db, run] = await table()
    const accounts = createSqlFence({ table: 'accounts' })
    async function balance(): Promise<number> {
      const { rows } = await db.query<{ balance: number }>(
        'SELECT balance FROM accounts WHERE id = 1',
      )
      return rows[0]?.balance ?? -1
    }
    // The first holder claims, reads and is stopped; the second claims and reads.
    await accounts.claim(run, 1, 100)
    const old = await balance()
    await accounts.claim(run, 1, 101)
    const current = await balance()
    // The first wakes up between the second's read and write: without the claim this would be lost.
    await expect(accounts.write(run, 1, 100, { balance: old + 1 })).rejects.toMatchObject({
      code: 'FENCE_REFUSED',
    })
    await accounts.write(run, 1, 101, { balance: current + 10 })
    await expect(accounts.write(run, 1, 100, { balance: old + 1 })).rejects.toMatchObject({
      code: 'FENCE_REFUSED',
    })
    await expect(accounts.claim(run, 1, 100)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    expect(await balance()).toBe(10)
    await expect(accounts.claim(run, 2, 1)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    await db.close()
  })

  it('names only plain identifiers', () => {
    expect(() => createSqlFence({ table: 'a; DROP TABLE b' })).toThrow(TypeError)
    expect(() => createSqlFence({ table: 'a', key: 'x y' })).toThrow(TypeError)
    const texts: string[] = []
    const run: RunStatement = (text) => {
      texts.push(text)
      return Promise.resolve(1)
    }
    const fence = createSqlFence({ table: 'shop.orders', placeholders: '?' })
    return Promise.all([
      fence.claim(run, 1, 2),
      fence.write(run, 1, 2, { state: 'paid', total: 3 }),
      expect(fence.write(run, 1, 2, { 'state = 1; --': 1 })).rejects.toThrow(TypeError),
      expect(fence.write(run, 1, 2, {})).rejects.toThrow(TypeError),
      expect(fence.write(run, 1, 2, { total: 3, fence: 9 })).rejects.toThrow(TypeError),
      expect(fence.write(run, 1, 2, { ID: 2 })).rejects.toThrow(TypeError),
    ]).then(() => {
      expect(texts).toEqual([
        'UPDATE shop.orders SET fence = ? WHERE id = ? AND fence <= ?',
        'UPDATE shop.orders SET state = ?, total = ? WHERE id = ? AND fence = ?',
      ])
    })
  })
})

describe('the fence in Redis', () => {
  it('takes no write of an old holder', async () => {
    await using bench = await openBench(server)
    await using fence = createRedisFence({ connection: bench.client(), namespace: 'shop' })
    expect(await fence.read('total', 100)).toBeNull()
    await fence.write('total', '1', 100)
    expect(await fence.read('total', 101)).toBe('1')
    await expect(fence.write('total', '2', 100)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    await expect(fence.read('total', 100)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    await fence.write('total', '11', 101)
    expect(await fence.read('total', 101)).toBe('11')
  })

  it('takes no write of a holder whose claim does not stand, or was never made', async () => {
    await using bench = await openBench(server)
    await using fence = createRedisFence({ connection: bench.client(), namespace: 'shop' })
    await fence.read('lost', 100)
    await fence.read('lost', 101)
    await server.command('FLUSHALL')
    for (const token of [100, 101]) {
      await expect(fence.write('lost', '1', token)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    }
    await fence.read('lost', 100)
    await expect(fence.write('lost', '2', 101)).rejects.toMatchObject({ code: 'FENCE_REFUSED' })
    await fence.write('lost', '1', 100)
    expect(await fence.read('lost', 100)).toBe('1')
  })
})

describe('a restart without persistence', () => {
  it('gives two holders, whose tokens still grow, and the fence loses no update', async () => {
    await using bench = await openBench()
    await using fence = createRedisFence({
      connection: (await openBench(server)).client(),
      namespace: 'shop',
    })
    const [a, b] = [bench.locks(), bench.locks()]
    let accepted = 0
    for (let round = 0; round < 5; round++) {
      const first = await waitFor(() => a.tryAcquire(`restart:${round}`))
      const before = Number(await fence.read('count', first.fencingToken))
      await bench.redis.kill()
      await bench.redis.restart()
      const second = await waitFor(() => b.tryAcquire(`restart:${round}`))
      // Both hold it, as far as they can know.
      expect([first.held, second.held]).toEqual([true, true])
      expect(second.fencingToken).toBeGreaterThan(first.fencingToken)
      const now = Number(await fence.read('count', second.fencingToken))
      const steps: Step[] = [
        async () => {
          await fence.write('count', String(before + 1), first.fencingToken)
          accepted++
        },
        async () => {
          await fence.write('count', String(now + 1), second.fencingToken)
          accepted++
        },
      ]
      const results = await Promise.allSettled(
        (round % 2 === 0 ? steps : steps.toReversed()).map((step) => step()),
      )
      expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    }
    expect(Number(await fence.read('count', Number.MAX_SAFE_INTEGER))).toBe(accepted)
  })
})
