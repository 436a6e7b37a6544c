import { fakeClock } from '@corral/testing'
import { expect, it } from 'vitest'
import type { Effect, Flight } from './flight.ts'
import { createWriteSide } from './write-side.ts'

function setUp() {
  const clock = fakeClock()
  const side = createWriteSide(
    clock,
    { threshold: 0.5, minimum: 5, openForMs: 500 },
    () => undefined,
  )
  const flight = (effect: Effect): Flight => ({ effect, settled: false }) as Flight
  return { clock, side, flight }
}

it('pauses writes while Redis is full, and lets those go that make room', async () => {
  const { clock, side, flight } = setUp()
  side.refused('OOM')
  expect(side.refusal('read')).toBeUndefined()
  expect(side.refusal('shrink')).toBeUndefined()
  expect(side.refusal('grow')).toMatchObject({ code: 'REDIS_FULL' })
  side.sending(flight('shrink'))
  expect(side.state).toBe('open')
  await clock.advance(500)
  expect(side.refusal('grow')).toBeUndefined()
  const trial = flight('grow')
  side.sending(trial)
  expect(side.state).toBe('half-open')
  // The others wait for the trial.
  expect(side.refusal('grow')).toMatchObject({ code: 'REDIS_FULL' })
  side.took(flight('grow'))
  expect(side.state).toBe('half-open')
  side.took(trial)
  expect(side.state).toBe('closed')
})

it('refuses all writes when Redis takes none, and tries again after a failed trial', async () => {
  const { clock, side, flight } = setUp()
  side.refused('READONLY')
  expect(side.refusal('shrink')).toMatchObject({ reason: 'breaker-open' })
  await clock.advance(500)
  side.sending(flight('grow'))
  side.refused('READONLY')
  expect(side.refusal('grow')).toMatchObject({ reason: 'breaker-open' })
  await clock.advance(500)
  const unanswered = flight('grow')
  side.sending(unanswered)
  expect(side.refusal('grow')).toMatchObject({ reason: 'breaker-open' })
  unanswered.settled = true
  expect(side.refusal('grow')).toBeUndefined()
  side.reset('ready')
  expect(side.state).toBe('closed')
})
