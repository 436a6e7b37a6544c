import type { Connection } from '@corral/connection'
import { fakeClock } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { createPendingRevocations } from './pending-revocations.ts'

function make(most = 5) {
  const clock = fakeClock()
  const sent: [string, number][] = []
  let listener: (available: boolean) => void = () => {}
  const state = { available: true, failing: true, hold: undefined as Promise<void> | undefined }
  const connection = {
    clock,
    get available() {
      return state.available
    },
    onAvailability(given: typeof listener) {
      listener = given
      return () => (listener = () => {})
    },
  } as unknown as Connection
  const pending = createPendingRevocations(
    connection,
    'all',
    async (key, ttlMs) => {
      sent.push([key, ttlMs])
      const fails = state.failing
      await state.hold
      if (fails) throw new Error('away')
    },
    most,
  )
  return { clock, sent, state, pending, tell: (available: boolean) => listener(available) }
}

describe('revocations that wait', () => {
  it('are sent again until they are acknowledged, also when nobody tells that Redis is back', async () => {
    const { clock, sent, state, pending } = make()
    pending.add('a', 1_000)
    expect(pending.has('a')).toBe(true)
    await clock.advance(60)
    expect(sent).toEqual([['a', 1_000]])
    state.failing = false
    await clock.advance(5_000)
    expect(sent).toHaveLength(2)
    expect(pending.has('a')).toBe(false)
    await clock.advance(60_000)
    expect(sent).toHaveLength(2)
  })

  it('are sent at once when Redis is back', async () => {
    const { clock, sent, state, pending, tell } = make()
    state.available = false
    pending.add('a', 1_000)
    pending.add('b', 1_000)
    await clock.advance(60_000)
    expect(sent).toEqual([])
    state.available = true
    state.failing = false
    tell(true)
    await clock.advance(0)
    expect(sent.map(([key]) => key)).toEqual(['a', 'b'])
    expect(pending.size).toBe(0)
  })

  it('wait on when they were made anew while they were sent', async () => {
    const { clock, state, pending } = make()
    let release: () => void = () => {}
    state.hold = new Promise((resolve) => (release = resolve))
    state.failing = false
    pending.add('a', 1_000)
    const replay = pending.replay()
    pending.add('a', 1_000)
    release()
    await replay
    expect(pending.has('a')).toBe(true)
    await clock.advance(5_000)
    expect(pending.has('a')).toBe(false)
  })

  it('are settled by a later acknowledgement, not by an earlier one', () => {
    const { pending } = make()
    const before = pending.moment()
    pending.add('a', 1_000)
    pending.settle('a', before)
    expect(pending.has('a')).toBe(true)
    pending.settle('a', pending.moment())
    expect(pending.has('a')).toBe(false)
  })

  it("become everybody's when there are too many: none is forgotten", async () => {
    const { clock, sent, state, pending } = make(3)
    state.available = false
    for (const [at, key] of ['a', 'b', 'c', 'd'].entries()) pending.add(key, 1_000 * (at + 1))
    expect(pending.size).toBe(1)
    for (const key of ['a', 'd', 'anybody']) expect(pending.has(key)).toBe(true)
    pending.add('e', 100)
    expect(pending.size).toBe(2)
    state.available = true
    state.failing = false
    await clock.advance(5_000)
    expect(sent).toContainEqual(['all', 4_000])
    expect(pending.has('a')).toBe(false)
  })

  it('are tried once more at the end, and not after it', async () => {
    const { clock, sent, pending } = make()
    pending.add('a', 1_000)
    await pending.close()
    await pending.close()
    expect(sent).toHaveLength(1)
    await clock.advance(60_000)
    expect(sent).toHaveLength(1)
    expect(pending.has('a')).toBe(true)
  })
})
