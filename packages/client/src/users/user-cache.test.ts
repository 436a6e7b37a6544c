import { createCache, type Cache } from '@corral/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheClient, createCacheClient } from '../client.ts'

let cache: Cache
let client: CacheClient

beforeEach(() => {
  cache = createCache({ namespace: 'app' })
  client = createCacheClient({ cache, userOf: true })
})
afterEach(async () => {
  client.close()
  await cache.close()
})

describe('user caches', () => {
  it('forget a user in one step, and never another', async () => {
    const ids = ['1', '1:admin', '10', '*', '1*', '{1}', 'ü', '%31', ' 1', 'user:1']
    for (const id of ids) await client.setUserCache(id, 'preferences', { of: id }, '5m')
    for (const id of ids) expect(await client.getUserCache(id, 'preferences')).toEqual({ of: id })
    expect(await client.getUserCache(1, 'preferences')).toEqual({ of: '1' })
    for (const gone of ids) {
      expect(await client.deleteUserCache(gone)).toBe(true)
      for (const id of ids) {
        const value = await client.getUserCache(id, 'preferences')
        expect([gone, id, value]).toEqual([gone, id, id === gone ? undefined : { of: id }])
      }
      await client.setUserCache(gone, 'preferences', { of: gone })
    }
    await client.setUserCache('1', 'admin:x', 'one')
    expect(await client.getUserCache('1:admin', 'x')).toBeUndefined()
    for (const bad of ['', Number.NaN, 1.5, undefined as unknown as string]) {
      await expect(client.deleteUserCache(bad)).rejects.toThrow(TypeError)
    }
  })

  it('forget what was memoized under a key of the user', async () => {
    const load = vi.fn(async () => 'profile')
    await client.memoize('profile:1', load, 3_600)
    await client.memoize('profile:1:admin', load, 3_600)
    await client.deleteUserCache('1')
    await client.memoize('profile:1:admin', load, 3_600)
    expect(load).toHaveBeenCalledTimes(2)
    await client.memoize('profile:1', load, 3_600)
    expect(load).toHaveBeenCalledTimes(3)
  })
})

describe('what was memoized for a user', () => {
  const ids = [
    1,
    '1',
    '1:admin',
    '10',
    '*',
    '1*',
    '[1]',
    '{1}',
    '?',
    'ü',
    '日本',
    ' 1',
    '%31',
    '"1"',
  ]

  /** Which ids are asked for anew after one was forgotten. */
  async function expectForgotten(
    load: (id: string | number) => Promise<unknown>,
    calls: () => (string | number)[],
  ): Promise<void> {
    for (const id of ids) await load(id)
    for (const gone of ids) {
      const before = calls().length
      expect(await client.deleteUserCache(gone)).toBe(true)
      for (const id of ids) await load(id)
      expect(calls().slice(before)).toEqual(ids.filter((id) => String(id) === String(gone)))
    }
  }

  it('goes with the user: a function of an id, of a key, of a long id', async () => {
    const seen: (string | number)[] = []
    const fetchProfile = async (id: string | number): Promise<unknown> => {
      seen.push(id)
      return { id }
    }
    await expectForgotten(client.memoize(fetchProfile, { name: 'profile' }), () => seen)
    const byKey = client.memoize(fetchProfile, {
      name: 'by-key',
      key: (id) => `${typeof id}:${id}`,
      userOf: (id) => id,
    })
    await expectForgotten(byKey, () => seen)
    const long = 'x'.repeat(500)
    await byKey(long)
    await client.deleteUserCache(long)
    const before = seen.length
    await byKey(long)
    expect(seen.length).toBe(before + 1)
  })

  it('goes by its own userOf, whatever the client says, and through `this`', async () => {
    const plain = createCacheClient({ cache })
    const orders = vi.fn(async (page: number, query: { user: string }) => `${query.user} ${page}`)
    const ofUser = plain.memoize(orders, { name: 'orders', userOf: (_, { user }) => user })
    const nobodys = client.memoize(orders, { name: 'nobodys', userOf: () => undefined })
    for (let i = 0; i < 2; i++) {
      await ofUser(1, { user: '1' })
      await ofUser(2, { user: '1' })
      await ofUser(1, { user: '2' })
      await nobodys(1, { user: '1' })
      await plain.deleteUserCache(1)
    }
    // Four, then the two of user 1 again.
    expect(orders).toHaveBeenCalledTimes(6)
    const byThis = plain.memoize(
      async function (this: { readonly id: string }, _part: string) {
        return orders(0, { user: this.id })
      },
      {
        name: 'by-this',
        key(this: { readonly id: string }, part) {
          return `${this.id} ${part}`
        },
        userOf(this: { readonly id: string }) {
          return this.id
        },
      },
    )
    for (let i = 0; i < 2; i++) {
      await byThis.call({ id: '7' }, 'x')
      await plain.deleteUserCache('7')
    }
    expect(orders).toHaveBeenCalledTimes(8)
    const wrong = plain.memoize(async (_id: string) => 1, { name: 'w', userOf: () => '' })
    await expect(wrong('x')).rejects.toThrow(/^userId: must be .* received ""/)
    expect(() => plain.memoize(orders, { userOf: 5 as never })).toThrow(/^userOf: /)
    plain.close()
  })
})
