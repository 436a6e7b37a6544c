import { CorralError } from '@corral/connection'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fakeConnection, type FakeConnection } from '../../test/stamps/fake-connection.ts'
import { createWatermark, type Watermark } from './watermark.ts'

let fake: FakeConnection
let watermark: Watermark
let changes: unknown[]
const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})

beforeEach(() => {
  fake = fakeConnection()
  changes = []
  warnings.mockClear()
  watermark = createWatermark({
    connection: fake.connection,
    random: () => 0,
    onChange: (mayStore, use) => changes.push([mayStore, use?.used]),
  })
})
afterEach(() => watermark.close())

const memory = (used: number, limit = 1000, policy = 'noeviction', more = ''): string =>
  `# Memory\r\nused_memory:${used}\r\nused_memory_human:1M\r\nmaxmemory:${limit}\r\n` +
  `maxmemory_human:1M\r\nmaxmemory_policy:${policy}\r\n${more}`

/** A write, and what Redis says to the question that it makes. */
async function write(...nodes: string[]): Promise<boolean> {
  void watermark.mayStore
  const infos = nodes.map((text, index): [string, string] => [`node-${index}`, text])
  await fake.next().answer(new Map(infos))
  await fake.clock.advance(2000)
  return watermark.mayStore
}

test('asks only when something is written, and again after seconds', async () => {
  expect(fake.open).toBe(0)
  expect(watermark.mayStore).toBe(true)
  for (let i = 0; i < 100; i++) void watermark.mayStore
  expect(fake.open).toBe(1)
  await fake.next().answer(new Map([['a', memory(1)]]))
  await fake.clock.advance(1999)
  void watermark.mayStore
  expect(fake.open).toBe(0)
  await fake.clock.advance(1)
  void watermark.mayStore
  expect(fake.open).toBe(1)
  expect(fake.clock.pendingTimers()).toBe(0)
})

test.each([
  ['below the mark', [memory(799)], true],
  ['at it', [memory(800)], false],
  ['without a limit', [memory(5000, 0)], true],
  ['where Redis evicts by itself', [memory(1000, 1000, 'allkeys-lru')], true],
  ['where one node of a cluster is full', [memory(1), memory(900), memory(2)], false],
  [
    'where the rest are buffers that do not count',
    [memory(900, 1000, 'noeviction', 'mem_not_counted_for_evict:200\r\n')],
    true,
  ],
])('%s', async (_, nodes, stores) => {
  expect(await write(...nodes)).toBe(stores)
})

test('stops and goes on once each, and warns when it stops', async () => {
  expect(await write(memory(850))).toBe(false)
  // The answer of the question that `write` asked last.
  for (const [used, stores] of [
    [900, false],
    [790, false],
    [779, true],
    [790, true],
    [800, false],
  ] as const) {
    await fake.next().answer(new Map([['a', memory(used)]]))
    expect(watermark.mayStore).toBe(stores)
    await fake.clock.advance(2000)
    void watermark.mayStore
  }
  expect(changes).toEqual([
    [false, 850],
    [true, 779],
    [false, 800],
  ])
  expect(warnings).toHaveBeenCalledTimes(2)
  expect(warnings.mock.calls[0]?.[0]).toContain('node-0 uses')
})

test('a refused write stops it at once, whatever an older answer says', async () => {
  void watermark.mayStore
  watermark.full()
  expect(watermark.mayStore).toBe(false)
  await fake.next().answer(new Map([['a', memory(1)]]))
  expect(watermark.mayStore).toBe(false)
  watermark.full()
  expect(warnings).toHaveBeenCalledTimes(1)
  await fake.clock.advance(2000)
  expect(await write(memory(1))).toBe(true)
})

test('what cannot be asked does not stop it for ever', async () => {
  watermark.full()
  void watermark.mayStore
  await fake.next().fail(new CorralError('REDIS_REPLY', 'NOPERM'))
  expect(watermark.mayStore).toBe(true)
})
