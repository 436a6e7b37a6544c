import { monitor, openRawConnection, spawnWorkers, waitFor } from '@corral/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFlags, type Flags } from '../../src/index.ts'
import { type Bed, makeBed, type Mode } from '../sessions/bed.ts'

describe.each<Mode>(['standalone', 'cluster'])('flags, %s', (mode) => {
  let bed: Bed
  let flags: Flags
  let others: Flags

  beforeAll(async () => {
    bed = await makeBed(mode)
  }, 120_000)
  afterAll(async () => {
    await bed.stop()
  })
  beforeEach(async () => {
    flags = createFlags({ connection: bed.connection, namespace: 'app' })
    others = createFlags({ connection: bed.connection, namespace: 'app' })
    await Promise.all([flags.ready(), others.ready()])
    await bed.connection.signals.whenOn(20_000)
  })
  afterEach(async () => {
    flags.close()
    others.close()
    await bed.flush()
  })

  it('are set, seen at once by who set them and soon by others, and deleted', async () => {
    expect(flags.evaluate('new-ui', false)).toMatchObject({
      value: false,
      errorCode: 'FLAG_NOT_FOUND',
    })
    await flags.set('new-ui', true)
    expect(flags.evaluate('new-ui', false)).toEqual({
      value: true,
      variant: 'on',
      reason: 'STATIC',
    })
    await waitFor(() => others.value('new-ui', false), { timeout: 5_000 })
    await flags.set('limits', { value: { perMinute: 5 } })
    expect(flags.value('limits', {})).toEqual({ perMinute: 5 })
    // One for all callers: none of them can change what the others get.
    const limits = flags.value<{ perMinute: number }>('limits', { perMinute: 0 })
    expect(() => (limits.perMinute = 6)).toThrow(TypeError)
    expect(() => Object.assign(flags.definition('limits')!, { enabled: false })).toThrow(TypeError)
    expect(flags.value('limits', {})).toEqual({ perMinute: 5 })
    expect(flags.names()).toEqual(['limits', 'new-ui'])
    expect(flags.definition('new-ui')).toMatchObject({ fallthrough: 'on' })
    expect(await flags.delete('new-ui')).toBe(true)
    expect(await flags.delete('new-ui')).toBe(false)
    expect(flags.value('new-ui', false)).toBe(false)
    await waitFor(() => !others.names().includes('new-ui'), { timeout: 5_000 })
  })

  it('tell who listens what changed', async () => {
    const heard: string[][] = []
    const stop = others.listen({ changed: (names) => heard.push([...names]) })
    await flags.set('a', 1)
    await waitFor(() => heard.length === 1)
    await flags.set('a', 1)
    await flags.set('b', 2)
    await waitFor(() => heard.length === 2)
    expect(heard).toEqual([['a'], ['b']])
    stop()
  })

  it('never expire', async () => {
    await flags.set('a', 1)
    const [key] = (await bed.keys()).filter((each) => each.includes('flag'))
    expect(await bed.connection.read({ name: 'PTTL', key: key! })).toBe(-1)
  })

  it('that are no flags give the caller’s own', async () => {
    await flags.set('a', 1)
    const key = 'corral:flag:{app}'
    const client = bed.client as { hset(...args: string[]): Promise<number> }
    for (const text of ['', 'garbage', '{}', '{"variants":5}', 'null']) {
      await client.hset(key, 'bad', text)
      await waitFor(() => flags.names().includes('bad'))
      await waitFor(() => flags.evaluate('bad', 7).errorCode === 'PARSE_ERROR')
      expect(flags.evaluate('bad', 7)).toMatchObject({ value: 7, reason: 'ERROR' })
      await flags.delete('bad')
    }
    // Set by anybody, in the short form too.
    await client.hset(key, 'by-hand', 'true')
    await waitFor(() => flags.value('by-hand', false), { timeout: 5_000 })
  })

  it('reach four other processes in under 50 ms', async () => {
    if (mode === 'cluster') return
    const changes = 60
    await using workers = await spawnWorkers<number[]>(
      new URL('../workers/flag-worker.ts', import.meta.url),
      {
        count: 4,
        data: { host: bed.server.host, port: bed.server.port, changes },
        gates: ['listening'],
      },
    )
    const go = await workers.gate('listening')
    go()
    for (let change = 1; change <= changes; change++) {
      await flags.set('sent-at', performance.timeOrigin + performance.now())
      // The next one when this one is everywhere: else copies may jump over it.
      await waitFor(() => workers.reports.length === 4 * change, { interval: 1 })
    }
    const lags = (await workers.results()).flatMap((each) => each ?? []).toSorted((a, b) => a - b)
    const p50 = lags[Math.floor(lags.length / 2)]!
    console.log(
      `flag change seen elsewhere: p50 ${p50.toFixed(2)} ms, p99 ${lags.at(-3)!.toFixed(2)} ms`,
    )
    expect(lags.length).toBe(4 * changes)
    expect(p50).toBeLessThan(50)
  })

  it('cost no command to read', async () => {
    if (mode === 'cluster') return
    await flags.set('a', { percentage: 50 })
    await waitFor(() => others.names().length === 1)
    await using watch = await monitor(bed.server)
    for (let i = 0; i < 1_000; i++) flags.value('a', false, { targetingKey: i })
    const sent = (await watch.commands()).filter(({ name }) => name !== 'PING' && name !== 'TIME')
    expect(sent).toEqual([])
  })
})

describe('flags when Redis', () => {
  it('hangs: the copy stands, told as stale; back, what changed meanwhile is told', async () => {
    const bed = await makeBed('standalone')
    try {
      const flags = createFlags({ connection: bed.connection, namespace: 'app' })
      const states: string[] = []
      flags.listen({ state: (state) => states.push(state) })
      await flags.set('a', 'before')
      await bed.connection.signals.whenOn(5_000)
      await waitFor(() => flags.state === 'ready')
      await bed.server.pause()
      await waitFor(() => flags.state === 'stale', { timeout: 15_000 })
      expect(flags.evaluate('a', '')).toEqual({
        value: 'before',
        variant: 'value',
        reason: 'STALE',
      })
      expect(flags.evaluate('none', '')).toMatchObject({ reason: 'ERROR' })
      await expect(flags.set('a', 'x')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
      await bed.server.resume()
      await waitFor(() => flags.state === 'ready', { timeout: 15_000 })
      expect(flags.evaluate('a', '').reason).toBe('STATIC')
      expect(states).toEqual(['ready', 'stale', 'ready'])

      await bed.server.kill()
      await waitFor(() => flags.state === 'stale', { timeout: 15_000 })
      await bed.server.restart()
      await waitFor(() => flags.state === 'ready', { timeout: 15_000 })
      // Without persistence the server has forgotten it.
      await waitFor(() => flags.names().length === 0)
      flags.close()
      expect(flags.state).toBe('closed')
    } finally {
      await bed.stop()
    }
  })

  it.each(['keys and channels', 'channels alone'])(
    'loses the signals alone, %s: what changed in the gap is seen once they are back',
    async (told) => {
      const bed = await makeBed('standalone')
      if (told === 'channels alone') {
        await bed.server.command('ACL', 'SETUSER', 'default', '-client|tracking')
      }
      const flags = createFlags({ connection: bed.connection, namespace: 'app' })
      const byHand = await openRawConnection(bed.server)
      try {
        await flags.ready()
        await bed.connection.signals.whenOn(5_000).catch(() => undefined)
        const elsewhere = createFlags({ connection: bed.connection, namespace: 'app' })
        await elsewhere.set('a', 'before')
        await waitFor(() => flags.value('a', '') === 'before', { timeout: 4_000 })
        elsewhere.close()
        // Both in one step of the server: nobody can be listening again in between.
        await Promise.all([
          byHand.send('MULTI'),
          byHand.send('CLIENT', 'KILL', 'TYPE', 'pubsub'),
          byHand.send('HSET', 'corral:flag:{app}', 'a', '"after"'),
          byHand.send('EXEC'),
        ])
        // Sooner than the copy would be read anew without being told.
        await waitFor(() => flags.value('a', '') === 'after' && flags.state === 'ready', {
          timeout: 4_000,
        })
        expect(flags.evaluate('a', '').reason).toBe('STATIC')
      } finally {
        byHand.close()
        flags.close()
        await bed.server.command('ACL', 'LOG', 'RESET') // what was forbidden here was asked for
        await bed.stop()
      }
    },
  )

  it('was never there: callers get their own at once, and the flags once it is', async () => {
    const bed = await makeBed('standalone')
    try {
      await bed.server.command('HSET', 'corral:flag:{app}', 'a', '"there"')
      await bed.server.pause()
      const flags = createFlags({ connection: bed.connection, namespace: 'app' })
      const started = performance.now()
      expect(flags.evaluate('a', 'own')).toMatchObject({
        value: 'own',
        errorCode: 'PROVIDER_NOT_READY',
      })
      expect(performance.now() - started).toBeLessThan(50)
      expect(await flags.ready('50ms')).toBe(false)
      const whenever = flags.ready()
      await bed.server.resume()
      expect(await whenever).toBe(true)
      await waitFor(() => flags.value('a', 'own') === 'there', { timeout: 15_000 })
      flags.close()
    } finally {
      await bed.stop()
    }
  })

  it('is not used at all: flags of this process alone', async () => {
    const flags = createFlags({ connection: undefined, namespace: 'app' })
    expect(await flags.ready('50ms')).toBe(true)
    await flags.set('a', { percentage: 100 })
    expect(flags.value('a', false, { targetingKey: 'x' })).toBe(true)
    expect(flags.evaluate('a', false, null as never).errorCode).toBe('TARGETING_KEY_MISSING')
    expect(await flags.delete('a')).toBe(true)
    expect(flags.value('a', false, { targetingKey: 'x' })).toBe(false)
    await expect(flags.set('a\uD800', true)).rejects.toThrow(/^flag name: must be well-formed/)
  })
})
