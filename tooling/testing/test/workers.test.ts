import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { settlesWithin, spawnWorkers, waitFor } from '../src/index.ts'

const rounds = new URL('./workers/rounds.ts', import.meta.url)
const misbehave = new URL('./workers/misbehave.ts', import.meta.url)

interface RoundsResult {
  index: number
  count: number
  pid: number
  passed: { arrived: number; went: number }[]
  size: number
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it('runs real processes that wait for one another at barriers', async () => {
  const data = { rounds: 4, tags: new Map([['a', 1]]) }
  await using workers = await spawnWorkers<RoundsResult>(rounds, { count: 3, data })
  const results = (await workers.results()).filter((result) => result !== undefined)
  expect(results.map(({ index, count, size }) => [index, count, size])).toEqual([
    [0, 3, 1],
    [1, 3, 1],
    [2, 3, 1],
  ])
  expect(results.map((result) => result.pid)).toEqual(workers.pids)
  for (let round = 0; round < data.rounds; round++) {
    const times = results.map((result) => result.passed[round] ?? { arrived: 0, went: 0 })
    const lastArrived = Math.max(...times.map(({ arrived }) => arrived))
    const firstWent = Math.min(...times.map(({ went }) => went))
    expect(firstWent).toBeGreaterThanOrEqual(lastArrived)
  }
  expect(new Set(workers.reports.map((report) => report.index))).toEqual(new Set([0, 1, 2]))
  await waitFor(() => !workers.pids.some(isAlive), { what: 'the processes to be gone' })
})

it('holds workers at a gate until the test lets them go', async () => {
  await using workers = await spawnWorkers(misbehave, { count: 2, gates: ['armed', 'after'] })
  const open = await workers.gate('armed')
  const after = workers.gate('after')
  expect(await settlesWithin(after, 100)).toBe(false)
  open()
  const go = await after
  go()
  expect(await workers.results()).toEqual([0, 1])
  await expect(workers.gate('elsewhere')).rejects.toThrow(/not among the gates/)
})

it.each([
  ['throw', /worker 1 of 2 crashed \(exit status 1\):\n.*the reason it failed/s],
  ['exit', /worker 1 of 2 crashed \(exit status 7\):\nlast words/],
])('tells of a crash (%s) and ends the others', async (how, message) => {
  const workers = await spawnWorkers(misbehave, { count: 2, env: { FAIL: how } })
  await expect(workers.results()).rejects.toThrow(message)
  await waitFor(() => !workers.pids.some(isAlive), { what: 'the processes to be gone' })
})

it('rejects when a worker cannot even be loaded', async () => {
  await expect(spawnWorkers(misbehave, { count: 2, env: { FAIL: 'loading' } })).rejects.toThrow(
    /crashed .*broken while loading/s,
  )
})

it('lets the test kill a worker; the others no longer wait for it', async () => {
  await using workers = await spawnWorkers(misbehave, { count: 3, gates: ['armed'] })
  await workers.gate('armed')
  await workers.kill(1)
  const open = await workers.gate('armed')
  open()
  expect(await workers.results()).toEqual([0, undefined, 2])
})

it('freezes and thaws a worker, and stops those that never end', async () => {
  const workers = await spawnWorkers(misbehave, { count: 2, env: { FAIL: 'hang' } })
  const countOf = (index: number): number => workers.reports.filter((r) => r.index === index).length
  await waitFor(() => countOf(0) > 2 && countOf(1) > 2, { what: 'reports of both' })
  workers.pause(0)
  const moreOfTheOther = async (): Promise<void> => {
    const now = countOf(1)
    await waitFor(() => countOf(1) > now + 5, { what: 'more reports of the other' })
  }
  // What it had sent before may still be on its way.
  await moreOfTheOther()
  const frozen = countOf(0)
  await moreOfTheOther()
  expect(countOf(0)).toBe(frozen)
  workers.resume(0)
  await waitFor(() => countOf(0) > frozen, { what: 'reports of the thawed one' })
  workers.pause(0)
  await workers.stop()
  await workers.stop()
  expect(workers.pids.some(isAlive)).toBe(false)
})

it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'leaves no server and no worker behind when its owner ends by %s, frozen ones included',
  async (signal) => {
    const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
    const starter = fileURLToPath(new URL('./workers/starter.ts', import.meta.url))
    const child = spawn(
      process.execPath,
      ['--import', loader, '--conditions=@corral/source', starter],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const pids = JSON.parse(line.toString()) as number[]
    expect(pids).toHaveLength(4)
    expect(pids.every(isRunning)).toBe(true)
    child.kill(signal)
    await once(child, 'exit')
    await waitFor(() => !pids.some(isRunning), { what: 'the orphans to be gone' })
  },
)

/** Alive and not a zombie that nobody has reaped yet. */
function isRunning(pid: number): boolean {
  if (!isAlive(pid)) return false
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return !existsSync('/proc')
  }
}
