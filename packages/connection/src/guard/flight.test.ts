import { describe, expect, test, vi } from 'vitest'
import { unavailable } from '../errors.ts'
import { createFlight, type FlightSource } from './flight.ts'

function source(): FlightSource {
  return {
    what: 'MGET',
    durationMs: 200,
    payload: { name: 'mget', args: ['a', 'b'] },
    succeed: vi.fn(() => 'OOM'),
    fail: vi.fn(),
  }
}

describe('createFlight', () => {
  test('callers are told once, whatever comes later', () => {
    const callers = source()
    const flight = createFlight(callers, () => undefined)
    expect(flight.succeed(['1', '2'])).toBe('OOM')
    expect(flight.succeed(['3', '4'])).toBeUndefined()
    flight.fail(unavailable('deadline', 'late'))
    expect(callers.succeed).toHaveBeenCalledExactlyOnceWith(['1', '2'])
    expect(callers.fail).not.toHaveBeenCalled()
  })

  test('it holds neither callers nor what it carried once they were told', () => {
    for (const tell of ['succeed', 'fail'] as const) {
      const flight = createFlight(source(), () => undefined)
      if (tell === 'succeed') flight.succeed([])
      else flight.fail(unavailable('deadline', 'late'))
      expect(flight.payload).toEqual({ name: 'ping', args: [] })
    }
  })
})
