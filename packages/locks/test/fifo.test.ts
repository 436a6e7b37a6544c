import { openRawConnection, spawnWorkers, startRedis } from '@corral/testing'
import { expect, it } from 'vitest'

it('a fair lock is handed out in order over 10,000 acquisitions from 4 processes', async () => {
  await using redis = await startRedis()
  // The order in which Redis put them in line, as it tells itself.
  const queued: string[] = []
  const watching = await openRawConnection({
    host: redis.host,
    port: redis.port,
    onPush(line) {
      const token = / lua\] "RPUSH" "corral:lock:\{shop::line\}:queue" "(\S+) /.exec(
        String(line),
      )?.[1]
      if (token !== undefined) queued.push(token)
    },
  })
  await watching.send('MONITOR')
  const module = new URL('./workers/stand-in-line.ts', import.meta.url)
  await using workers = await spawnWorkers<[string, number][]>(module, {
    count: 4,
    data: { port: redis.port, callers: 8, times: 313 },
  })
  const holds = (await workers.results()).flatMap((result) => result ?? [])
  watching.close()
  expect(holds.length).toBeGreaterThanOrEqual(10_000)
  expect(new Set(holds.map(([, fence]) => fence)).size).toBe(holds.length)
  const served = holds.toSorted(([, a], [, b]) => a - b).map(([token]) => token)
  const inLine = new Set(queued)
  expect(inLine.size).toBe(queued.length)
  expect(queued.length).toBeGreaterThan(9_000)
  expect(served.filter((token) => inLine.has(token))).toEqual(queued)
})
