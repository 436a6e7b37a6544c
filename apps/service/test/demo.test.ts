import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { startRedis, waitFor } from '@corral/testing'
import { spawnProgram } from './spawned-service.ts'

const SLOW = 180_000

/** The demo as it runs outside of a terminal, with servers from this machine. */
function startDemo(env: Record<string, string>, ...args: string[]) {
  return spawnProgram('demo/main.ts', { CORRAL_TEST_REDIS: 'binary', ...env }, args)
}

/** The figures of a line of the demo's tables; of the second line with this label, and so on. */
function cells(output: string, label: string, occurrence = 0): string[] {
  const lines = output.split('\n').filter((one) => one.startsWith(`  ${label}  `))
  return (lines[occurrence] ?? '')
    .slice(2 + label.length)
    .trim()
    .split(/ {2,}/)
}

function number(text: string | undefined): number {
  return Number.parseFloat((text ?? '').replaceAll(',', ''))
}

/** Processes whose environment holds a text. */
async function processesWith(marker: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    if (environment.includes(marker)) found.push(pid)
  }
  return found
}

describe('the demo', () => {
  it(
    'measures, freezes, recovers, and ends with status 0',
    async () => {
      await using demo = startDemo({}, '--once')
      const { pid } = demo.child
      const status = await demo.exit
      const output = demo.output()
      expect(output).toContain('All requests answered, all jobs done.')
      expect(status).toBe(0)

      expect(output).not.toContain('\u001B')
      const [withoutCache, withCache] = cells(output, 'requests answered').map(number)
      expect(withCache).toBeGreaterThan(withoutCache ?? Infinity)
      const [queriesWithout, queriesWith] = cells(output, 'queries at the source').map(number)
      // Without the cache each request is a query; jobs add theirs.
      expect(queriesWithout).toBeGreaterThanOrEqual(withoutCache ?? Infinity)
      expect(queriesWith).toBeLessThan(queriesWithout ?? 0)
      expect(number(cells(output, 'cache hit rate')[1])).toBeGreaterThan(80)
      expect(cells(output, 'callers answered')).toEqual(['2,000 of 2,000'])
      expect(number(cells(output, 'loaders run')[1])).toBe(queriesWith)
      expect(cells(output, 'loaders run', 1)).toEqual(['1'])
      expect(cells(output, 'queries at the source', 1)).toEqual(['1'])
      expect(cells(output, 'writes seen')).toEqual(['80 of 80'])
      expect(number(cells(output, 'until the new value was read p50')[0])).toBeLessThan(150)
      expect(number(cells(output, 'answered without asking Redis')[0])).toBeGreaterThan(50)
      expect(number(cells(output, 'requests meanwhile')[0])).toBeGreaterThan(100)
      expect(number(cells(output, 'loaders run', 2)[0])).toBeGreaterThan(0)
      expect(number(cells(output, 'breakers opened')[0])).toBeGreaterThan(0)
      expect(cells(output, 'failed')).toEqual(['0'])
      expect(number(cells(output, 'first cache hit after the thaw')[0])).toBeLessThan(1000)
      // Its service carries the demo's process id in the names that it was given.
      expect(await processesWith(`corral-demo-${pid}-`)).toEqual([])
    },
    SLOW,
  )

  it(
    'leaves a Redis that is not its own as it was',
    async () => {
      await using redis = await startRedis({ prefer: 'binary' })
      await redis.command('SET', 'precious', 'value')
      await redis.command('SET', 'bull:mine:id', '7')
      await using demo = startDemo({ REDIS_URL: redis.url }, '--once')
      expect(await demo.exit).toBe(0)
      expect(demo.output()).toContain('so it is not frozen')
      const keys = (await redis.command('KEYS', '*')) as string[]
      expect(keys.toSorted()).toEqual(['bull:mine:id', 'precious'])
    },
    SLOW,
  )

  it(
    'says what is wrong with REDIS_URL, without its password',
    async () => {
      await using demo = startDemo({ REDIS_URL: 'redis://:canary@127.0.0.1:1' }, '--once')
      expect(await demo.exit).toBe(1)
      expect(demo.output()).toContain('there is no usable Redis at redis://127.0.0.1:1')
      expect(demo.output()).not.toContain('canary')
    },
    SLOW,
  )

  it(
    'fails when the service dies under it',
    async () => {
      await using redis = await startRedis({ prefer: 'binary' })
      await using demo = startDemo({ REDIS_URL: redis.url }, '--once')
      await waitFor(() => demo.output().includes('Load without the cache'), { timeout: 90_000 })
      const service = await serviceOf(demo.child.pid ?? 0)
      process.kill(service, 'SIGKILL')
      expect(await demo.exit).toBe(1)
      expect(demo.output()).toContain('the service ended')
    },
    SLOW,
  )

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'takes its processes along on %s',
    async (signal) => {
      await using demo = startDemo({}, '--once')
      await waitFor(() => demo.output().includes('Load with the cache'), { timeout: 90_000 })
      const children = await descendants(demo.child.pid ?? 0)
      expect(children.length).toBeGreaterThan(1)
      demo.child.kill(signal)
      expect(await demo.exit).toBe(130)
      await waitFor(() => children.every((pid) => !isAlive(pid)))
    },
    SLOW,
  )

  it(
    'takes its processes along even when it is killed',
    async () => {
      const demo = startDemo({}, '--once')
      await waitFor(() => demo.output().includes('Load with the cache'), { timeout: 90_000 })
      const children = await descendants(demo.child.pid ?? 0)
      expect(children.length).toBeGreaterThan(1)
      demo.child.kill('SIGKILL')
      await waitFor(() => children.every((pid) => !isAlive(pid)), { timeout: 15_000 })
    },
    SLOW,
  )

  it(
    'serves until it is told to stop',
    async () => {
      await using redis = await startRedis({ prefer: 'binary' })
      await using demo = startDemo({ REDIS_URL: redis.url })
      const url = await waitFor(
        () => /Serving on (http:\S+) until Ctrl-C/.exec(demo.output())?.[1],
        { timeout: 120_000, what: 'the address' },
      )
      expect((await fetch(`${url}/api/users/7`)).status).toBe(200)
      demo.child.kill('SIGINT')
      expect(await demo.exit).toBe(0)
    },
    SLOW,
  )
})

async function descendants(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const direct = text.trim().split(' ').filter(Boolean).map(Number)
  const nested = await Promise.all(direct.map(descendants))
  return [...direct, ...nested.flat()]
}

async function serviceOf(demo: number): Promise<number> {
  for (const pid of await descendants(demo)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (command.includes('src/main.ts')) return pid
  }
  throw new Error('the demo has no service')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
