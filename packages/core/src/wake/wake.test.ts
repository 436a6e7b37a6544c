import { beforeEach, describe, expect, test } from 'vitest'
import { fakeConnection, type FakeConnection } from '../../test/stamps/fake-connection.ts'
import { createWake, type Wake } from './wake.ts'

let fake: FakeConnection
let wake: Wake

beforeEach(() => {
  fake = fakeConnection()
  wake = createWake({ connection: fake.connection, prefix: 'a::', random: () => 1 })
})

/** What a wait has come to so far. */
function follow(wait: Promise<unknown>): { readonly is: unknown } {
  const result = { is: 'waiting' as unknown }
  wait.then(
    (why) => (result.is = why),
    (error: unknown) => (result.is = error),
  )
  return result
}

const settle = (): Promise<void> => fake.clock.advance(0)

describe('with signals on', () => {
  beforeEach(async () => {
    const first = wake.wait('a::k', 1)
    fake.state('on')
    await first
  })

  test('a change of the key wakes, one of another does not, and time ends it', async () => {
    const first = follow(wake.wait('a::k', 5000))
    const other = follow(wake.wait('a::other', 5000))
    await fake.clock.advance(4999)
    expect([first.is, other.is]).toEqual(['waiting', 'waiting'])
    fake.signal('a::k')
    await settle()
    expect([first.is, other.is]).toEqual(['changed', 'waiting'])
    await fake.clock.advance(1)
    expect(other.is).toBe('time')
    expect(fake.clock.pendingTimers()).toBe(0)
  })

  test('a change between the answer of Redis and the wait is not slept through', async () => {
    const mark = wake.mark('a::k')
    fake.signal('a::k')
    const waiting = follow(wake.wait('a::k', 5000, { mark }))
    await settle()
    expect(waiting.is).toBe('changed')
    const again = follow(wake.wait('a::k', 5000, { mark: wake.mark('a::k') }))
    await settle()
    expect(again.is).toBe('waiting')
    wake.close()
  })

  test('losing them wakes everybody, who then poll', async () => {
    const waiting = follow(wake.wait('a::k', 5000))
    fake.state('lost')
    await settle()
    expect(waiting.is).toBe('changed')
    const polling = follow(wake.wait('a::k', 5000))
    await fake.clock.advance(10)
    expect(polling.is).toBe('time')
  })

  test('an aborted wait rejects with the reason, and leaves nothing', async () => {
    const abort = new AbortController()
    const waiting = follow(wake.wait('a::k', 5000, { signal: abort.signal }))
    const reason = new Error('enough')
    abort.abort(reason)
    await settle()
    expect(waiting.is).toBe(reason)
    expect(fake.clock.pendingTimers()).toBe(0)
    await expect(wake.wait('a::k', 5000, { signal: abort.signal })).rejects.toBe(reason)
  })

  test('closing ends every wait', async () => {
    const waiting = follow(wake.wait('a::k', 5000))
    wake.close()
    await settle()
    expect(waiting.is).toBe('time')
    expect(await wake.wait('a::k', 5000)).toBe('time')
  })
})

describe('without signals', () => {
  test.each([
    [0, 10],
    [1, 20],
    [3, 80],
    [4, 100],
    [5000, 100],
  ])('attempt %i ends after %i ms', async (attempt, ms) => {
    const polling = follow(wake.wait('a::k', 5000, { attempt }))
    await fake.clock.advance(ms - 1)
    expect(polling.is).toBe('waiting')
    await fake.clock.advance(1)
    expect(polling.is).toBe('time')
  })

  test('jitter takes up to half of it, and what is left to wait is never exceeded', async () => {
    const eager = createWake({ connection: fake.connection, prefix: 'a::', random: () => 0 })
    const half = follow(eager.wait('a::k', 5000, { attempt: 9 }))
    const short = follow(wake.wait('a::k', 3, { attempt: 9 }))
    await fake.clock.advance(3)
    expect(short.is).toBe('time')
    await fake.clock.advance(47)
    expect(half.is).toBe('time')
  })

  test('signals that come on wake those who poll', async () => {
    const polling = follow(wake.wait('a::k', 5000, { attempt: 9 }))
    fake.state('on')
    await settle()
    expect(polling.is).toBe('changed')
  })
})
