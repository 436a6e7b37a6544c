import { waitFor } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSessions, type Sessions } from '../../src/index.ts'
import { type Bed, beforeScript, makeBed, type Mode } from './bed.ts'

describe.each<Mode>(['standalone', 'cluster'])('a session under another id, %s', (mode) => {
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

  it('keeps age, ttl and label when it rotates, also to another server', async () => {
    const { id } = await sessions.createSession({}, { ttl: '1h', label: 'Firefox' })
    const before = Date.now()
    const login = await sessions.rotateSession(id, { userId: '1' })
    expect(login!.expiresAt).toBeLessThan(before + 3_700_000)
    expect(await sessions.listUserSessions('1')).toMatchObject([{ label: 'Firefox' }])

    await sessions.setSession('mine', { userId: '2' }, '2h')
    const [mine] = await sessions.listUserSessions('2')
    await waitFor(() => Date.now() > before + 20)
    const rotated = await sessions.rotateSession('mine')
    expect(rotated!.expiresAt).toBeLessThan(before + 7_300_000)
    const [after] = await sessions.listUserSessions('2')
    expect(after!.createdAt).toBe(mine!.createdAt)
  })

  it('ends at its absolute end, however often its id changes', async () => {
    const short = createSessions(
      { connection: bed.connection, namespace: 'app' },
      { ttl: '1s', absoluteTtl: '1s' },
    )
    const started = performance.now()
    await short.setSession('mine', { userId: '1' })
    let held = await short.rotateSession('mine')
    await waitFor(async () => {
      if (held === undefined) return true
      held = await short.rotateSession(held.id)
      return false
    })
    expect(performance.now() - started).toBeLessThan(1_500)
  })

  it('goes to no user that is none', async () => {
    const { id } = await sessions.createSession({ a: 1 })
    await sessions.setSession('mine', { a: 1 })
    for (const from of [id, 'mine']) {
      for (const userId of ['', 5 as unknown as string]) {
        await expect(sessions.rotateSession(from, { userId })).rejects.toThrow(/^userId: /)
      }
      expect(await sessions.getSession(from)).toEqual({ a: 1 })
    }
  })

  it('does not survive a revocation between the steps in which it rotates', async () => {
    const revokedBefore = (script: string): Sessions =>
      createSessions({
        connection: beforeScript(bed.connection, script, () => sessions.deleteUserSessions('1')),
        namespace: 'app',
      })
    const last = mode === 'cluster' ? 'session:take' : 'session:rotate'
    for (const step of mode === 'cluster' ? [last, 'session:create'] : [last]) {
      await sessions.setSession(step, { userId: '1' })
      expect(await revokedBefore(step).rotateSession(step)).toBeUndefined()
      expect(await sessions.getSession(step)).toBeUndefined()
      expect(await sessions.listUserSessions('1')).toEqual([])
    }
    await sessions.setSession('mine', { userId: '1' })
    expect(await revokedBefore(last).rotateSession('mine', { userId: '2' })).toBeUndefined()
    expect(await sessions.listUserSessions('2')).toEqual([])
    // A write that was under way with it does not bring it back either.
    expect(await sessions.setSession('mine', { userId: '1' })).toBe(false)
  })

  it('goes to whoever it belongs to when its user changes while it rotates', async () => {
    await sessions.setSession('mine', { userId: '1' })
    const changing = createSessions({
      connection: beforeScript(
        bed.connection,
        mode === 'cluster' ? 'session:take' : 'session:rotate',
        () => sessions.setSession('mine', { userId: '2' }),
      ),
      namespace: 'app',
    })
    const rotated = await changing.rotateSession('mine')
    expect(await sessions.getSession(rotated!.id)).toEqual({ userId: '2' })
    await sessions.deleteUserSessions('2')
    expect(await sessions.getSession(rotated!.id)).toBeUndefined()
  })

  it('under an id of one’s own is not brought back by a write that was under way', async () => {
    const write = (id: string): Promise<boolean> => sessions.setSession(id, { userId: '1' })
    for (const end of [
      (id: string) => sessions.deleteSession(id),
      (id: string) => sessions.rotateSession(id),
      (id: string) => sessions.rotateSession(id, { userId: '2' }),
    ]) {
      await write('mine')
      await end('mine')
      expect(await write('mine')).toBe(false)
      expect(await sessions.touchSession('mine')).toBe(false)
      expect(await sessions.getSession('mine')).toBeUndefined()
      for (const key of await bed.keys()) {
        if ((await bed.connection.read({ name: 'HEXISTS', key, args: ['x'] }).catch(() => 0)) !== 1)
          continue
        const left = Number(await bed.connection.read({ name: 'PTTL', key }))
        expect(left).toBeGreaterThan(50_000)
        expect(left).toBeLessThanOrEqual(60_000)
      }
      await bed.flush()
      expect(await write('mine')).toBe(true)
      await bed.flush()
    }
  })
})
