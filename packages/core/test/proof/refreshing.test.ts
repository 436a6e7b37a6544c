import { spawnWorkers, startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { percentile } from './machine-clock.ts'
import { figure, sized } from './scale.ts'
import type { Refreshing, RefreshingResult } from './workers/refreshing.ts'

const module = new URL('./workers/refreshing.ts', import.meta.url)

let server: TestRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

it.each([
  ['remote', false],
  ['near', true],
])(
  'stale-while-revalidate, %s: a caller waits as long as for a plain hit, one refresh per key in 4 processes',
  async (name, near) => {
    await server.command('FLUSHALL')
    const data: Refreshing = {
      port: server.port,
      near,
      keys: 40,
      loadMs: 50,
      calls: sized(1_000, 20_000),
    }
    await using workers = await spawnWorkers<RefreshingResult>(module, { count: 4, data })
    const results = (await workers.results()) as RefreshingResult[]
    const plain = results.flatMap((result) => [...result.plain])
    const stale = results.flatMap((result) => [...result.stale])
    const [plain99, stale99] = [percentile(plain, 0.99), percentile(stale, 0.99)]
    const loads = results.flatMap((result) => result.loads)
    figure(`stale-while-revalidate, ${name}`, {
      'plain hit p50': percentile(plain, 0.5),
      p99: plain99,
      'stale hit p50': percentile(stale, 0.5),
      'its p99': stale99,
      loads: loads.length,
      unit: 'ms',
    })
    expect(results.map(({ wrong }) => wrong)).toEqual([0, 0, 0, 0])
    expect(loads.toSorted()).toEqual(
      Array.from({ length: data.keys }, (_, i) => `stale${i}`).toSorted(),
    )
    // Twice a plain hit, and far below the 50 ms of the loader, on a machine with other work too.
    expect(stale99).toBeLessThan(Math.max(2 * plain99, sized(20, 5)))
  },
)
