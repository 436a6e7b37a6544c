import { describe, expect, test } from 'vitest'
import { isDead, seenStamps, stampKills, type Stamps } from './liveness.ts'

const stamps: Stamps = { namespace: 100, tag: (name) => (name === 'hot' ? 300 : 0) }

describe('stamps', () => {
  test.each([
    { stamp: 100, loadedAt: 100, seen: 0, skew: 0, kills: true },
    { stamp: 100, loadedAt: 101, seen: 0, skew: 0, kills: false },
    { stamp: 100, loadedAt: 110, seen: 0, skew: 10, kills: true },
    { stamp: 100, loadedAt: 111, seen: 0, skew: 10, kills: false },
    { stamp: 100, loadedAt: 50, seen: 100, skew: 0, kills: false },
    { stamp: 101, loadedAt: 50, seen: 100, skew: 0, kills: true },
  ])('$stamp against a load at $loadedAt (seen $seen, skew $skew): $kills', (row) => {
    expect(stampKills(row.stamp, row.loadedAt, row.seen, row.skew)).toBe(row.kills)
  })

  test('any one of an entry kills it, and each is measured against what was seen of it', () => {
    const at = (loadedAt: number | undefined, tags: string[], seen: number[] = []): boolean =>
      isDead({ loadedAt, tags, seen }, stamps, 0)
    expect(at(100, [])).toBe(true)
    expect(at(200, [])).toBe(false)
    expect(at(200, ['cold', 'hot'])).toBe(true)
    expect(at(301, ['cold', 'hot'])).toBe(false)
    expect(at(200, ['cold', 'hot'], [0, 0, 300])).toBe(false)
    expect(at(200, ['cold', 'hot'], [300, 300, 0])).toBe(true)
    expect(at(undefined, ['hot'])).toBe(false)
  })

  test('are written down only while in doubt', () => {
    expect(seenStamps(stamps, ['hot'], 1000, 100)).toBeUndefined()
    expect(seenStamps(stamps, ['hot'], 1000, 701)).toEqual([100, 300])
    expect(seenStamps(stamps, ['hot'], 200, 0)).toEqual([100, 300])
  })
})
