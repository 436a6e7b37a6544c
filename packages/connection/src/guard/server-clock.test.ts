import { fakeClock } from '@corral/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createServerClock } from './server-clock.ts'

const SERVER_EPOCH = 1_700_000_000_000_000

/** What TIME says when the server's clock is `ahead` of ours by so many microseconds. */
function time(at: number, ahead: number): string[] {
  const micros = SERVER_EPOCH + Math.floor(at * 1_000) + ahead
  return [String(Math.floor(micros / 1e6)), String(micros % 1e6)]
}

it('is never ahead of the server, whatever the way there and back took', () => {
  const samples = fc.array(fc.tuple(fc.nat(200), fc.nat(200), fc.nat(2_000)), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(samples, fc.integer({ min: -1e9, max: 1e9 }), (trips, ahead) => {
      const clock = createServerClock(fakeClock())
      let now = 0
      for (const [there, back, pause] of trips) {
        clock.learn(time(now + there, ahead), now, now + there + back)
        now += there + back + pause
        expect(clock.at(now)).toBeLessThanOrEqual(SERVER_EPOCH + now * 1_000 + ahead)
      }
    }),
  )
})

it('keeps the most precise answer until it is old', async () => {
  const local = fakeClock()
  const clock = createServerClock(local)
  expect(clock.known).toBe(false)
  expect(clock.at(0)).toBeNaN()
  clock.learn(time(0, 0), 0, 150)
  expect(clock.at(1_000)).toBe(SERVER_EPOCH + 850_000)
  clock.learn(time(200, 0), 200, 201)
  expect(clock.at(1_000)).toBe(SERVER_EPOCH + 999_000)
  clock.learn(time(300, 0), 300, 400)
  expect(clock.at(1_000)).toBe(SERVER_EPOCH + 999_000)
  clock.learn(time(40_000, 0), 40_000, 40_100)
  expect(clock.at(41_000)).toBe(SERVER_EPOCH + 40_900_000)
})

it('takes any answer once it was proved wrong, and none when forgotten', () => {
  const clock = createServerClock(fakeClock())
  clock.learn(time(0, 0), 0, 0)
  clock.distrust()
  expect(clock.known).toBe(true)
  // The server's clock was set back by an hour.
  clock.learn(time(10, -3.6e9), 10, 60)
  expect(clock.at(100)).toBe(SERVER_EPOCH - 3.6e9 + 50_000)
  clock.forget()
  expect(clock.known).toBe(false)
})

it('asks again soon after a rough answer, rarely after a precise one', async () => {
  const local = fakeClock()
  const clock = createServerClock(local)
  clock.learn(time(0, 0), 0, 50)
  await local.advance(1_100)
  expect(clock.stale).toBe(true)
  clock.learn(time(1_100, 0), 1_100, 1_101)
  await local.advance(20_000)
  expect(clock.stale).toBe(false)
  await local.advance(11_000)
  expect(clock.stale).toBe(true)
})

it.each([[undefined], ['OK'], [[]], [['x', 'y']]])('is not misled by %j', (reply) => {
  const clock = createServerClock(fakeClock())
  clock.learn(reply, 0, 1)
  expect(clock.known).toBe(false)
})
