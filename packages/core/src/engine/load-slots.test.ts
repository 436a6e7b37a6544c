import { fakeClock, type FakeClock } from '@corral/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import { createCache } from '../cache.ts'
import { createLoadSlots, stallMs } from './load-slots.ts'

let clock: FakeClock

beforeEach(() => {
  clock = fakeClock()
})

describe('loads that wait for loads of the same cache', () => {
  it.each([1, 4])('do not lock it up: %i at once', async (maxLoads) => {
    const cache = createCache({ namespace: 'n', maxLoads, clock })
    const page = (id: number): Promise<string> =>
      cache.getOrSet(`page:${id}`, async () => {
        const user = await cache.getOrSet(`user:${id}`, async () =>
          cache.getOrSet(`name:${id}`, () => `user ${id}`),
        )
        return `page of ${user}`
      })
    const pages = Promise.all(Array.from({ length: 12 }, (_, id) => page(id)))
    let settled = false
    void pages.then(() => (settled = true))
    for (let second = 0; second < 40 && !settled; second++) await clock.advance(stallMs)
    expect(settled).toBe(true)
    expect((await pages)[11]).toBe('page of user 11')
    await cache.close()
  })
})

describe('a line of loads', () => {
  const enter = (count: number, most: number) => {
    const slots = createLoadSlots(most, clock)
    const order: number[] = []
    for (let i = 0; i < count; i++) {
      const place = slots.take()
      if (place === undefined) order.push(i)
      else void place.then(() => order.push(i))
    }
    return { slots, order }
  }

  it('moves in the order of asking, however slow, as long as loads end', async () => {
    const { slots, order } = enter(6, 2)
    for (let i = 0; i < 6; i++) {
      await clock.advance(stallMs * 0.9)
      slots.free()
    }
    await clock.advance(0)
    expect(order).toEqual([0, 1, 2, 3, 4, 5])
    expect(slots.running).toBe(0)
  })

  it('lets in one more a second while none ends, up to ten or as many again', async () => {
    const { slots, order } = enter(14, 2)
    await clock.advance(stallMs * 0.9)
    expect(order).toEqual([0, 1])
    await clock.advance(stallMs)
    expect(order).toEqual([0, 1, 13])
    await clock.advance(stallMs * 20)
    expect(order).toEqual([0, 1, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4])
    for (let i = 0; i < 14; i++) slots.free()
    await clock.advance(0)
    expect(order.slice(12)).toEqual([3, 2])
    expect(slots.running).toBe(0)
  })
})
