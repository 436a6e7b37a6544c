import { monitor, recordTrace, waitFor } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSessions, type Sessions } from '../../src/index.ts'
import { type Bed, makeBed, type Mode } from './bed.ts'

describe.each<Mode>(['standalone', 'cluster'])('sessions, %s', (mode) => {
  let bed: Bed
  let sessions: Sessions

  beforeAll(async () => {
    bed = await makeBed(mode)
  }, 120_000)
  afterAll(async () => {
    await bed.stop()
  })
  beforeEach(() => {
    sessions = createSessions({ connection: bed.connection, namespace: 'app' })
  })
  afterEach(async () => {
    await bed.flush()
  })

  it('lives under a random id of 256 bits of which Redis has only the hash', async () => {
    const ids = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const { id } = await sessions.createSession({ n: i }, { userId: 'ada@example.org' })
      expect(Buffer.from(id.split('.')[1]!, 'base64url').length).toBe(32)
      ids.add(id)
    }
    expect(ids.size).toBe(50)
    const dump = await bed.dump()
    for (const id of ids) {
      expect(dump).not.toContain(id)
      expect(dump).not.toContain(id.split('.')[1])
      expect(await sessions.getSession(id)).toHaveProperty('n')
    }
    const other = createSessions(
      { connection: bed.connection, namespace: 'app' },
      { secret: 'a secret of its own' },
    )
    expect(await other.getSession([...ids][0]!)).toBeUndefined()
  })

  it('stores, reads, replaces, ends', async () => {
    const { id, expiresAt } = await sessions.createSession({ role: 'admin' }, { userId: '1' })
    expect(Math.abs(expiresAt - Date.now() - 86_400_000)).toBeLessThan(5_000)
    expect(await sessions.getSession(id)).toEqual({ role: 'admin' })
    expect(await sessions.setSession(id, [null, 'ü', { deep: [1] }])).toBe(true)
    expect(await sessions.getSession(id)).toEqual([null, 'ü', { deep: [1] }])
    expect(await sessions.touchSession(id)).toBe(true)
    expect(await sessions.deleteSession(id)).toBe(true)
    expect(await sessions.deleteSession(id)).toBe(false)
    expect(await sessions.getSession(id)).toBeUndefined()
    expect(await sessions.touchSession(id)).toBe(false)
    // A write cannot bring it back, nor make one under an id that looks like ours.
    expect(await sessions.setSession(id, {})).toBe(false)
    expect(await sessions.getSession(id)).toBeUndefined()
  })

  it('takes ids of the caller’s own, as the seeds do', async () => {
    expect(await sessions.setSession('sess_123', { userId: '456', role: 'admin' }, 7_200)).toBe(
      true,
    )
    expect(await sessions.getSession('sess_123')).toEqual({ userId: '456', role: 'admin' })
    expect(await bed.dump()).not.toContain('sess_123')
    expect(await sessions.listUserSessions('456')).toHaveLength(1)
    await sessions.deleteUserSessions('456')
    expect(await sessions.getSession('sess_123')).toBeUndefined()
    // A write that was under way with the revoked session does not bring it back.
    expect(await sessions.setSession('sess_123', { userId: '456' })).toBe(false)
    expect(await sessions.getSession('sess_123')).toBeUndefined()
    expect(await sessions.deleteSession('sess_123')).toBe(true)
  })

  it('rotates: the old id is dead at once, the data goes on', async () => {
    const { id } = await sessions.createSession({ cart: [1] })
    const rotated = await sessions.rotateSession(id, { userId: '1' })
    expect(rotated?.id).not.toBe(id)
    expect(await sessions.getSession(id)).toBeUndefined()
    expect(await sessions.getSession(rotated!.id)).toEqual({ cart: [1] })
    const again = await sessions.rotateSession(rotated!.id, { data: { cart: [2] } })
    expect(await sessions.getSession(again!.id)).toEqual({ cart: [2] })
    expect(await sessions.rotateSession(rotated!.id)).toBeUndefined()
    expect(await sessions.listUserSessions('1')).toHaveLength(1)
    await sessions.deleteUserSessions('1')
    expect(await sessions.rotateSession(again!.id)).toBeUndefined()
    expect(await sessions.setSession('mine', { userId: '1', x: 1 })).toBe(true)
    const fromMine = await sessions.rotateSession('mine')
    expect(await sessions.getSession('mine')).toBeUndefined()
    expect(await sessions.getSession(fromMine!.id)).toEqual({ userId: '1', x: 1 })
  })

  it('lists handles, ends one by its handle, ends all but one', async () => {
    const first = await sessions.createSession({}, { userId: '1', label: 'Firefox' })
    const second = await sessions.createSession({}, { userId: '1', label: 'Safari' })
    const third = await sessions.createSession({}, { userId: '1' })
    await sessions.createSession({}, { userId: '1:admin' })
    const list = await sessions.listUserSessions('1', { current: second.id })
    expect(list.map(({ label, current }) => [label, current])).toEqual([
      ['Firefox', false],
      ['Safari', true],
      ['', false],
    ])
    for (const info of list) {
      expect(JSON.stringify(list)).not.toContain(second.id)
      expect(Math.abs(info.createdAt - Date.now())).toBeLessThan(5_000)
      expect(Math.abs(info.expiresAt - Date.now() - 86_400_000)).toBeLessThan(5_000)
    }
    expect(await sessions.deleteUserSession('1', list[0]!.handle)).toBe(true)
    expect(await sessions.deleteUserSession('1:admin', list[1]!.handle)).toBe(false)
    expect(await sessions.getSession(first.id)).toBeUndefined()
    expect(await sessions.deleteUserSessions('1', { except: second.id })).toBe(true)
    expect(await sessions.getSession(second.id)).toEqual({})
    expect(await sessions.getSession(third.id)).toBeUndefined()
    expect(await sessions.listUserSessions('1')).toHaveLength(1)
    expect(await sessions.listUserSessions('1:admin')).toHaveLength(1)
    expect(await sessions.deleteUserSessions('1', { except: third.id })).toBe(false)
    // A write with a session that was revoked says so.
    expect(await sessions.setSession(second.id, { written: true })).toBe(false)
    expect(await sessions.touchSession(second.id)).toBe(false)
    expect(await sessions.listUserSessions('1')).toEqual([])
  })

  it('lists thousands, and leaves room for the calls of others meanwhile', async () => {
    const most = 5_200 // two reads each are more than a connection lets wait at once
    for (let made = 0; made < most; made += 400) {
      await Promise.all(
        Array.from({ length: 400 }, () => sessions.createSession({}, { userId: '1' })),
      )
    }
    const list = sessions.listUserSessions('1')
    const others = Array.from({ length: 20 }, () => sessions.createSession({}, { userId: '2' }))
    expect((await Promise.all(others)).length).toBe(20)
    expect((await list).length).toBe(most)
  }, 60_000)

  it('ends no session by its handle that has become another user’s', async () => {
    await sessions.setSession('shared-browser', { userId: '1' })
    const [info] = await sessions.listUserSessions('1')
    await sessions.setSession('shared-browser', { userId: '2' })
    expect(await sessions.listUserSessions('1')).toEqual([])
    expect(await sessions.deleteUserSession('1', info!.handle)).toBe(false)
    expect(await sessions.getSession('shared-browser')).toEqual({ userId: '2' })
    expect(await sessions.deleteUserSession('2', info!.handle)).toBe(true)
    expect(await sessions.getSession('shared-browser')).toBeUndefined()
  })

  it('ends unused after its ttl, and at its absolute end however much it is used', async () => {
    const short = createSessions(
      { connection: bed.connection, namespace: 'app' },
      { ttl: '1s', absoluteTtl: '2s' },
    )
    const unused = await short.createSession({}, { userId: '1' })
    const used = await short.createSession({}, { userId: '1' })
    const started = performance.now()
    let lastSeen = 0
    await waitFor(
      async () => {
        if ((await short.getSession(used.id)) === undefined) return true
        lastSeen = performance.now() - started
        return false
      },
      { interval: 40 },
    )
    expect(lastSeen).toBeGreaterThan(1_500)
    expect(lastSeen).toBeLessThan(2_100)
    expect(await short.getSession(unused.id)).toBeUndefined()
    expect(await short.listUserSessions('1')).toEqual([])
  })

  it('reads, rolls and checks for revocation in one command', async () => {
    if (mode === 'cluster') return
    const { id } = await sessions.createSession({ a: 1 }, { userId: '1' })
    await using watch = await monitor(bed.server)
    await sessions.getSession(id)
    await sessions.rotateSession(id)
    await sessions.deleteUserSessions('1')
    const sent = (await watch.commands()).filter(({ name }) => name.startsWith('EVAL'))
    expect(sent).toHaveLength(3)
  })

  it('ends a thousand sessions in one step, and no write carries one past it', async () => {
    const made = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => sessions.createSession({ n }, { userId: '1' })),
    )
    const own = Array.from({ length: 20 }, (_, n) => `own-${n}`)
    for (const id of own) await sessions.setSession(id, { userId: '1' })
    let revoked = false
    let writes = 0
    // Each writer goes on through the revocation and for a while after it.
    const writer = async (ids: readonly string[], write: (id: string) => Promise<unknown>) => {
      for (let after = 0; after < 3;) {
        if (revoked) after++
        await Promise.all(ids.map(write))
        writes += ids.length
      }
    }
    const some = made.slice(0, 30).map(({ id }) => id)
    const writers = [
      writer(some.slice(0, 10), (id) => sessions.setSession(id, { written: true })),
      writer(some.slice(10, 20), (id) => sessions.touchSession(id)),
      writer(some.slice(20), (id) => sessions.getSession(id)),
      writer(own, (id) => sessions.setSession(id, { userId: '1', written: true })),
    ]
    await waitFor(() => writes > 200)
    await sessions.deleteUserSessions('1')
    revoked = true
    await Promise.all(writers)
    const left = await Promise.all(
      [...made.map(({ id }) => id), ...own].map((id) => sessions.getSession(id)),
    )
    expect(left.filter((session) => session !== undefined)).toEqual([])
    expect(await sessions.listUserSessions('1')).toEqual([])
    const { id } = await sessions.createSession({}, { userId: '1' })
    expect(await sessions.getSession(id)).toEqual({})
  })

  it('leaves no key without an end', async () => {
    const { id } = await sessions.createSession({}, { userId: '1' })
    await sessions.rotateSession(id, { userId: '2' })
    await sessions.setSession('mine', { userId: '1' })
    await sessions.deleteUserSessions('1')
    const keys = await bed.keys()
    expect(keys.length).toBeGreaterThan(2)
    for (const key of keys) {
      const left = Number(await bed.connection.read({ name: 'PTTL', key }))
      expect([key, left > 0]).toEqual([key, true])
    }
  })

  it('refuses what is no id, no user, no JSON, too large', async () => {
    for (const id of ['', 'x'.repeat(1_001), 5 as unknown as string]) {
      await expect(async () => sessions.getSession(id)).rejects.toThrow(TypeError)
    }
    // Redis would hold the same replacement character for both of them.
    await expect(sessions.setSession('mine-\uD800', {})).rejects.toThrow(
      /^session id: .*well-formed/,
    )
    await expect(sessions.createSession({}, { userId: 'a\uDC00' })).rejects.toThrow(
      /^userId: must be well-formed/,
    )
    await expect(sessions.createSession({}, { userId: '' })).rejects.toThrow(TypeError)
    await expect(sessions.createSession(undefined)).rejects.toMatchObject({
      code: 'UNSERIALIZABLE_VALUE',
    })
    await expect(sessions.createSession('x'.repeat(2 ** 20))).rejects.toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    const { id } = await sessions.createSession(JSON.parse('{"__proto__":{"isAdmin":true},"a":1}'))
    const read = await sessions.getSession<{ isAdmin?: boolean }>(id)
    expect(Object.keys(read!)).toEqual(['a'])
    expect(read!.isAdmin).toBeUndefined()
  })

  it('tells what happens, without ids and users', async () => {
    using trace = recordTrace(['corral:client:session'])
    const { id } = await sessions.createSession({}, { userId: 'ada' })
    await sessions.getSession(id)
    await sessions.deleteUserSessions('ada')
    await sessions.getSession(id)
    expect(trace.of('corral:client:session')).toEqual(
      ['created', 'revoked', 'refused'].map((event) => ({ namespace: 'app', event })),
    )
  })
})

describe('sessions with Redis', () => {
  let bed: Bed
  let sessions: Sessions

  beforeAll(async () => {
    bed = await makeBed('standalone')
    sessions = createSessions({ connection: bed.connection, namespace: 'app' })
  })
  afterAll(async () => {
    await bed.stop()
  })

  async function expectRefusals(id: string): Promise<void> {
    for (const call of [
      () => sessions.getSession(id),
      () => sessions.createSession({}),
      () => sessions.setSession(id, {}),
      () => sessions.deleteSession(id),
      () => sessions.rotateSession(id),
      () => sessions.deleteUserSessions('1'),
      () => sessions.listUserSessions('1'),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    }
  }

  it('frozen: everything rejects, and a logout that was not acknowledged is none', async () => {
    const { id } = await sessions.createSession({ a: 1 }, { userId: '1' })
    await bed.server.pause()
    try {
      await expectRefusals(id)
    } finally {
      await bed.server.resume()
    }
    await waitFor(() => sessions.getSession(id))
    expect(await sessions.getSession(id)).toEqual({ a: 1 })
  })

  it('killed: everything rejects; back, it works', async () => {
    await bed.server.kill()
    try {
      await expectRefusals('x')
    } finally {
      await bed.server.restart()
    }
    const { id } = await waitFor(() => sessions.createSession({ a: 1 }))
    expect(await sessions.getSession(id)).toEqual({ a: 1 })
  })

  it('full: sessions are read, ended and revoked; none is made', async () => {
    const { id } = await sessions.createSession({ a: 1 }, { userId: '1' })
    const other = await sessions.createSession({ a: 2 }, { userId: '1' })
    await bed.server.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      await expect(sessions.createSession({})).rejects.toMatchObject({ code: 'REDIS_FULL' })
      expect(await sessions.getSession(id)).toEqual({ a: 1 })
      expect(await sessions.deleteSession(id)).toBe(true)
      await sessions.deleteUserSessions('1')
      expect(await sessions.getSession(other.id)).toBeUndefined()
    } finally {
      await bed.server.command('CONFIG', 'SET', 'maxmemory', '0')
    }
  })
})
