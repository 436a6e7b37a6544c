import { describe, expect, it } from 'vitest'
import { createHistory } from './history.ts'

describe('history', () => {
  it('begins a window at the last row that is old enough, else at the first of all', () => {
    const history = createHistory({ at: 0, counts: 0 })
    for (let s = 1; s <= 100; s++) history.add({ at: s * 1_000, counts: s })
    expect(history.start(60_000, 100_000).counts).toBe(40)
    expect(history.start(60_000, 100_500).counts).toBe(40)
    expect(history.start(60_000, 100_999).counts).toBe(40)
    expect(history.start(60_000, 101_000).counts).toBe(41)
    expect(history.start(300_000, 100_000).counts).toBe(0)
  })

  it('reaches back 15 minutes after days, with no more rows than that', () => {
    const history = createHistory({ at: 0, counts: 0 })
    for (let s = 1; s <= 200_000; s++) history.add({ at: s * 1_000, counts: s })
    expect(history.start(900_000, 200_000_000).counts).toBe(199_100)
    expect(history.start(900_000, 200_000_999).counts).toBe(199_100)
    expect(history.start(10_000_000, 200_000_000).counts).toBe(199_099)
  })

  it('begins earlier when rows were late, as after a stall', () => {
    const history = createHistory({ at: 0, counts: 0 })
    history.add({ at: 1_000, counts: 1 })
    history.add({ at: 45_000, counts: 2 })
    expect(history.start(60_000, 70_000)).toEqual({ at: 1_000, counts: 1 })
  })
})
