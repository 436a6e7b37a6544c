import { type Connection, CorralError } from '@corral/connection'
import { fakeClock, type FakeClock } from '@corral/testing'
import { beforeEach, expect, test } from 'vitest'
import { createSweeper, type Sweeper, type SweeperDeps } from './sweeper.ts'

const away = new CorralError('REDIS_UNAVAILABLE', 'away')
let clock: FakeClock
let listeners: Set<(available: boolean) => void>
let scans: string[]
let swept: { keys: readonly string[]; args: readonly unknown[] }[]
let pages: (string[] | Error)[]
let gate: Promise<void> | undefined

function open(options: Partial<SweeperDeps> = {}): Sweeper {
  const connection = {
    isCluster: false,
    clock,
    onAvailability(listener: (available: boolean) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async *scan(pattern: string) {
      scans.push(pattern)
      await gate
      for (const page of pages) {
        if (page instanceof Error) throw page
        yield page
      }
    },
    scriptMany: async (_: unknown, keys: readonly string[], args: readonly unknown[]) => {
      swept.push({ keys, args })
      return keys.map(() => 1)
    },
  } as unknown as Connection
  return createSweeper({ connection, namespace: 'a', ...options })
}

beforeEach(() => {
  clock = fakeClock()
  listeners = new Set()
  scans = []
  swept = []
  pages = []
  gate = undefined
})

test('touches its own keys alone, and below it only what carries a time unless it knows the child', async () => {
  pages = [
    ['a::1', 'b::1', 'ab::1', 'a:known::1', 'a:other::1', 'a:plain', 'corral:stamp:{a}'],
    ['bull:queue:1'],
  ]
  const sweeper = open({ childPrefixes: () => ['a:known::'] })
  expect(await sweeper.start({ stamp: 7, deep: false })).toBe(1)
  expect(swept).toEqual([{ keys: ['a::1'], args: [7, 0, 'a::', '1'] }])
  expect(scans).toEqual(['a::*'])
  swept = []
  expect(await sweeper.start({ stamp: 8, deep: true })).toBe(3)
  expect(scans.at(-1)).toBe('a:*')
  expect(swept).toEqual([
    {
      keys: ['a::1', 'a:known::1', 'a:other::1'],
      args: [8, 0, 'a::', '1', 8, 0, 'a:known::', '1', 8, 0, 'a:other::', '0'],
    },
  ])
})

test('however many are asked for while one runs, one more follows', async () => {
  pages = [['a::1']]
  let go = (): void => {}
  gate = new Promise((resolve) => (go = resolve))
  const sweeper = open()
  const first = sweeper.start({ stamp: 1, deep: false })
  const rest = [3, 9, 5].map((stamp) => sweeper.start({ stamp, deep: false }))
  go()
  await first
  await Promise.all(rest)
  expect(swept.map(({ args }) => args[0])).toEqual([1, 9])
  await clock.advance(0)
  expect(sweeper.running).toBe(false)
})

test('tells who waits that Redis went away, and goes on when it is back', async () => {
  pages = [['a::1'], away]
  const sweeper = open()
  await expect(sweeper.start({ stamp: 1, deep: false })).rejects.toBe(away)
  await clock.advance(0)
  expect(sweeper.running).toBe(true)
  pages = [['a::2']]
  for (const listener of listeners) listener(true)
  await clock.advance(0)
  expect(sweeper.running).toBe(false)
  expect(swept.map(({ keys }) => keys)).toEqual([['a::1'], ['a::2']])
  expect([listeners.size, clock.pendingTimers()]).toEqual([0, 0])
})

test('is tried again by the clock as well, and ends at close', async () => {
  pages = [away]
  const sweeper = open()
  await expect(sweeper.start({ stamp: 1, deep: false })).rejects.toBe(away)
  await clock.advance(100)
  expect(scans.length).toBe(2)
  await clock.advance(199)
  expect(scans.length).toBe(2)
  await clock.advance(1)
  expect(scans.length).toBe(3)
  await sweeper.close()
  expect([listeners.size, clock.pendingTimers(), sweeper.running]).toEqual([0, 0, false])
  await clock.advance(60_000)
  expect(scans.length).toBe(3)
})

test('gives up what Redis refuses', async () => {
  const refused = new CorralError('REDIS_REPLY', 'NOPERM')
  pages = [refused]
  const sweeper = open()
  await expect(sweeper.start({ stamp: 1, deep: false })).rejects.toBe(refused)
  await clock.advance(60_000)
  expect([scans.length, sweeper.running]).toEqual([1, false])
})
