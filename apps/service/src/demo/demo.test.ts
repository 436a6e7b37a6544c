import { describe, expect, it } from 'vitest'
import { createPopularity } from './popularity.ts'
import { quantile, type Sample } from './samples.ts'
import { createScreen } from './screen.ts'
import { milliseconds, percent, tableLines } from './table.ts'
import { between, faultOfCount, together } from './service-figures.ts'
import { faultsOfFollow, type Follow } from './follow.ts'
import { faultsOfStampede, type Stampede } from './stampede.ts'
import { faultsOf } from './verdict.ts'
import type { Run } from './compare.ts'
import type { Freeze } from './freeze.ts'

describe('quantile', () => {
  it('is the value that the share does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect(quantile(hundred, 0.5)).toBe(50)
    expect(quantile(hundred, 0.99)).toBe(99)
    expect(quantile(hundred, 1)).toBe(100)
    expect(quantile([7], 0.5)).toBe(7)
    expect(quantile([], 0.5)).toBeNaN()
    expect(milliseconds(quantile([], 0.5))).toBe('-')
  })
})

describe('popularity', () => {
  it('asks for few users often and for all of them some time', () => {
    const pick = createPopularity(50)
    const counts = new Map<number, number>()
    for (let time = 0; time < 20_000; time++) {
      const user = pick()
      counts.set(user, (counts.get(user) ?? 0) + 1)
    }
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 1),
    )
    // Zipf: the first is asked for about 10 ** 1.1 = 12.6 times as often as the tenth.
    const ratio = (counts.get(1) ?? 0) / (counts.get(10) ?? 1)
    expect(ratio).toBeGreaterThan(10)
    expect(ratio).toBeLessThan(16)
  })
})

describe('the table', () => {
  it('puts figures under each other', () => {
    expect(
      tableLines([
        ['', 'without', 'with'],
        ['requests', '1', '1,000'],
      ]),
    ).toEqual(['             without    with', '  requests         1   1,000'])
    expect(percent(1, 3)).toBe('33.3 %')
    expect(percent(0, 0)).toBe('-')
  })
})

describe('the screen', () => {
  function screenOn(isTTY: boolean, env: Record<string, string>) {
    const written: string[] = []
    const stream = { isTTY, columns: 30, write: (text: string) => written.push(text) > 0 }
    return { written, screen: createScreen(stream, env) }
  }

  it('writes plain lines, each stage once, where there is no terminal', () => {
    const { written, screen } = screenOn(false, {})
    screen.progress('Load', '1 s left')
    screen.progress('Load', '0 s left')
    screen.line(screen.bad('done'))
    expect(written).toEqual(['Load\n', 'done\n'])
  })

  it('rewrites one line on a terminal, cut to its width', () => {
    const { written, screen } = screenOn(true, {})
    screen.progress('Load', 'a'.repeat(60))
    screen.line(screen.bad('done'))
    expect(written).toEqual([
      `\r\u001B[2K\u001B[2mLoad  ${'a'.repeat(23)}\u001B[0m`,
      '\r\u001B[2K\u001B[31mdone\u001B[0m\n',
    ])
  })

  it('uses no colours under NO_COLOR', () => {
    expect(screenOn(true, { NO_COLOR: '1' }).screen.good('x')).toBe('x')
  })
})

const nothing = {
  hits: 0,
  nearHits: 0,
  misses: 0,
  coalesced: 0,
  leaseWaited: 0,
  loads: 0,
  outageHits: 0,
  deadlineHits: 0,
}

describe('figures', () => {
  it('are what was added, and add up', () => {
    const after = { ...nothing, hits: 7, loads: 2 }
    expect(between({ ...nothing, hits: 3 }, after)).toEqual({ ...nothing, hits: 4, loads: 2 })
    expect(together([after, after])).toEqual({ ...nothing, hits: 14, loads: 4 })
  })

  it('are held against what the demo counted itself', () => {
    expect(faultOfCount('reads', 100, 100)).toEqual([])
    expect(faultOfCount('reads', 101, 100)).toEqual([])
    expect(faultOfCount('reads', 110, 100, 10)).toEqual([])
    expect(faultOfCount('reads', 102, 100)).toEqual([
      'the metrics say 102 reads, the demo counted 100',
    ])
    expect(faultOfCount('loads', 0, 1)).toHaveLength(1)
  })
})

describe('the verdict', () => {
  const sample: Sample = { sentAt: 0, took: 1, status: 200, from: 'cache' }
  // A request and two jobs.
  const figures = { ...nothing, hits: 1, misses: 2, loads: 2, breakersOpened: 0, queries: 2 }
  const run: Run = { samples: [sample], seconds: 1, figures, jobsAdded: 2, jobsDone: 2 }
  const frozen: Freeze = {
    frozenMs: 3000,
    during: [sample],
    figures: { ...figures, hits: 0, misses: 1 },
    failures: 0,
    recoveryMs: 5,
    jobsAdded: 3,
    jobsDone: 3,
    jobRetries: 1,
    jobsTaken: true,
  }

  it('has nothing to say when all went well', () => {
    expect(faultsOf([run, run], frozen)).toEqual([])
    expect(faultsOf([run], undefined)).toEqual([])
  })

  it.each<[string, Run, Freeze]>([
    ['1 requests failed under load', { ...run, samples: [{ ...sample, status: 500 }] }, frozen],
    [
      'no request was answered under load',
      { ...run, samples: [], figures: { ...figures, hits: 0 } },
      frozen,
    ],
    ['1 jobs were not done', { ...run, jobsDone: 1, figures: { ...figures, misses: 1 } }, frozen],
    [
      'no job was added',
      { ...run, jobsAdded: 0, jobsDone: 0, figures: { ...figures, misses: 0 } },
      frozen,
    ],
    [
      'the metrics say 4 reads, the demo counted 3',
      { ...run, figures: { ...figures, hits: 2 } },
      frozen,
    ],
    [
      'the metrics say 3 loads, the demo counted 2',
      { ...run, figures: { ...figures, loads: 3 } },
      frozen,
    ],
    [
      'the metrics say 90 reads while frozen, the demo counted 1',
      run,
      { ...frozen, figures: { ...figures, hits: 88 } },
    ],
    ['2 requests failed around the freeze', run, { ...frozen, failures: 2 }],
    ['no request was made during the freeze', run, { ...frozen, during: [] }],
    ['the cache did not come back after the freeze', run, { ...frozen, recoveryMs: undefined }],
    ['a job could not be handed over after the freeze', run, { ...frozen, jobsTaken: false }],
    ['1 jobs were lost in the freeze', run, { ...frozen, jobsDone: 2 }],
  ])('tells: %s', (fault, bad, badFreeze) => {
    expect(faultsOf([bad], badFreeze)).toEqual([fault])
  })
})

describe('what is said of a stampede', () => {
  const good: Stampede = {
    processes: 4,
    callers: 3,
    took: [40, 41, 42],
    figures: { ...nothing, misses: 1, loads: 1, coalesced: 2 },
    queries: 1,
    values: 1,
    errors: [],
  }

  it('is nothing when one query served all', () => {
    expect(faultsOfStampede(good)).toEqual([])
  })

  it.each<[string, Partial<Stampede>]>([
    ['the stampede made 2 queries', { queries: 2, figures: { ...nothing, loads: 2 } }],
    ['the stampede made 0 queries', { queries: 0, figures: nothing }],
    [
      'the metrics say 3 loads in the stampede, the demo counted 1',
      { figures: { ...nothing, loads: 3 } },
    ],
    ['1 callers of the stampede got no value: no answer', { took: [1, 2], errors: ['no answer'] }],
    ['the callers of the stampede got 2 different values', { values: 2 }],
  ])('is: %s', (fault, change) => {
    expect(faultsOfStampede({ ...good, ...change })).toEqual([fault])
  })
})

describe('what is said of copies', () => {
  const good: Follow = {
    writer: 'redis-cli',
    processes: 2,
    writes: 2,
    took: [3, 4, 5, 6],
    figures: { ...nothing, hits: 98, nearHits: 95, misses: 2 },
    counted: 100,
    serviceFollowed: true,
  }

  it('is nothing when they followed', () => {
    expect(faultsOfFollow(good)).toEqual([])
  })

  it.each<[string, Partial<Follow>]>([
    ['1 writes by redis-cli were not seen', { took: [3, 4, 5] }],
    [
      'writes by redis-cli were seen after 900 ms, half of the time',
      { took: [900, 900, 950, 950] },
    ],
    [
      'most reads asked Redis in spite of the near cache',
      { figures: { ...nothing, hits: 100, nearHits: 10 } },
    ],
    [
      'the metrics say 90 reads by those who follow, the demo counted 100',
      { figures: { ...nothing, hits: 90, nearHits: 90 } },
    ],
    ['the service did not see the last write by redis-cli', { serviceFollowed: false }],
  ])('is: %s', (fault, change) => {
    expect(faultsOfFollow({ ...good, ...change })).toEqual([fault])
  })
})
