import { describe, expect, it } from 'vitest'
import { checkHistory, type Hold } from './torture/history.ts'
import { torture } from './torture/torture.ts'

const hold = (fence: number, from: number, to: number, lock = 'a'): Hold => ({
  lock,
  token: `token-${lock}-${fence}`,
  fence,
  from,
  to,
})

describe('the history checker', () => {
  it('accepts holds one after the other, and holds of different locks', () => {
    const holds = [hold(1, 0, 10), hold(2, 10, 20), hold(3, 25, 30), hold(1, 5, 15, 'b')]
    expect(checkHistory(holds)).toEqual([])
    // Handed out when it was over already: never valid.
    expect(checkHistory([hold(1, 0, 10), hold(2, 5, 4)])).toEqual([])
  })

  it('finds two holders at one time', () => {
    expect(checkHistory([hold(1, 0, 10), hold(2, 9, 20)])).toMatchObject([{ kind: 'overlap' }])
    expect(checkHistory([hold(1, 0, 100), hold(2, 10, 20)])).toMatchObject([{ kind: 'overlap' }])
    expect(checkHistory([hold(1, 0, 10), hold(2, 5, 8)], 2)).toEqual([])
    expect(checkHistory([hold(1, 0, 10), hold(2, 5, 8), hold(3, 6, 9)], 2)).toHaveLength(1)
  })

  it('finds fencing tokens that do not grow, and tokens given out twice', () => {
    expect(checkHistory([hold(2, 0, 10), hold(1, 10, 20)])).toMatchObject([{ kind: 'fence' }])
    expect(checkHistory([hold(1, 0, 10), hold(1, 10, 20)])).toMatchObject([
      { kind: 'token' },
      { kind: 'fence' },
    ])
  })

  it('finds one planted violation in a long history', () => {
    const holds = Array.from({ length: 10_000 }, (_, i) => hold(i, i * 10, i * 10 + 9))
    expect(checkHistory(holds)).toEqual([])
    holds[5_000] = hold(5_000, 50_000, 50_011)
    expect(checkHistory(holds)).toHaveLength(1)
  })
})

describe('torture', () => {
  it('leaves one holder at a time without faults', async () => {
    const report = await torture({
      processes: 4,
      acquisitions: 2_000,
      locks: 2,
      callers: 4,
      kind: 'mixed',
      faults: false,
    })
    expect(report.violations).toEqual([])
    expect(report.stolen).toBe(0)
    expect(report.lostUpdates).toBe(0)
    expect(report.acquisitions).toBeGreaterThanOrEqual(2_000)
  })

  it('leaves one holder at a time with stops, kills, lost replies and restarts', async () => {
    const report = await torture({
      processes: 3,
      acquisitions: 450,
      locks: 2,
      callers: 3,
      kind: 'mixed',
      faults: true,
    })
    expect(report.violations).toEqual([])
    expect(report.stolen).toBe(0)
    expect(report.lostUpdates).toBeLessThanOrEqual(0)
    expect(report.acquisitions).toBeGreaterThanOrEqual(450)
  })
})
