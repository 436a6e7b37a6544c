import type { ChannelListener, Connection } from '@corral/connection'
import { systemClock } from '@corral/connection'
import { describe, expect, it } from 'vitest'
import { createKeptLimiters } from './kept-limiters.ts'

/** A connection that rejects every call for an hour, and says how many channels are listened to. */
function fullForAnHour() {
  const listeners = new Set<ChannelListener>()
  const signals = {
    subscribe(_channel: string, listener: ChannelListener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const connection = {
    clock: systemClock,
    signals,
    scriptEach: async () => [1, 3_600_000_000, 3_600_000_000, 1_700_000_000_000_000],
  } as unknown as Connection
  return { listeners, base: { connection, namespace: 'app' } }
}

const rule = { algorithm: 'fixed-window', window: '1h' } as const

describe('kept limiters', () => {
  it('are the same while they are asked for, and listen no more once they are let go', async () => {
    const { listeners, base } = fullForAnHour()
    const kept = createKeptLimiters(base)
    const first = kept.limiter({ ...rule, limit: 1 })
    for (let limit = 2; limit <= 1_500; limit++) {
      await kept.limiter({ ...rule, limit }).consume('u')
      expect(kept.limiter({ ...rule, limit: 1 })).toBe(first)
    }
    expect(listeners.size).toBe(999)
    const places = kept.limiter({ algorithm: 'concurrency', limit: 1 })
    expect(kept.limiter({ limit: 1, algorithm: 'concurrency', lease: '30s' })).toBe(places)
    kept.close()
    expect(listeners.size).toBe(0)
    await kept.limiter({ ...rule, limit: 1 }).consume('u')
    expect(listeners.size).toBe(0)
  })
})
