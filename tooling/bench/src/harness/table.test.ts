import { describe, expect, test } from 'vitest'
import type { Measured } from './alternate.ts'
import type { Line } from './row.ts'
import { spreadOf } from './statistics.ts'
import { verdictOf } from './table.ts'

/** What a contender of that rate would have been measured as, against a raw client of 100. */
function measured(name: string, rate: number): Measured {
  return {
    name,
    rate: spreadOf([rate]),
    ratio: spreadOf([rate / 100]),
    extraMicros: spreadOf([1e6 / rate - 1e6 / 100]),
    cpuMicros: spreadOf([1]),
  }
}

function line(corral: number, peers: readonly number[], floor: Line['floor']): Line {
  return {
    name: 'row',
    floor,
    reference: measured('raw', 100),
    corral: measured('corral', corral),
    connection: undefined,
    peers: peers.map((rate, index) => measured(`peer ${index}`, rate)),
    limits: [],
  }
}

describe('verdictOf', () => {
  const floor = { kind: 'ratio', value: 3, lead: 1.1 } as const

  test('the floor comes first, then the best of the peers', () => {
    expect(verdictOf(line(299, [], floor))).toBe('below floor')
    expect(verdictOf(line(300, [], floor))).toBe('holds')
    expect(verdictOf(line(300, [100, 280], floor))).toBe('behind a peer')
    expect(verdictOf(line(309, [280, 100], floor))).toBe('holds')
    expect(verdictOf(line(1, [280], undefined))).toBe('no floor')
  })

  test('microseconds are a ceiling', () => {
    // 100 a second are 10 000 us a call.
    const most = { kind: 'micros', value: 2 } as const
    expect(verdictOf(line(1e6 / 10_001, [], most))).toBe('holds')
    expect(verdictOf(line(1e6 / 10_003, [], most))).toBe('below floor')
  })
})

describe('spreadOf', () => {
  test('the median of rounds with their ends', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 })
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 })
    expect(() => spreadOf([])).toThrow(RangeError)
  })
})
