import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { startRedis } from '@corral/testing'
import { createHttpClient } from '../demo/http-client.ts'
import { countDone, startJobs } from '../demo/job-producer.ts'
import { createPopularity } from '../demo/popularity.ts'
import { count, milliseconds, tableLines } from '../demo/table.ts'
import { playFaults } from './faults.ts'
import { heapOf, isFlat } from './heap.ts'
import { createInstances } from './instances.ts'

/*
 * A minute of load on two processes of the service behind one port, while Redis is frozen, killed and
 * restarted. Cached reads must be answered all along, no job may be lost, no memory kept.
 * `pnpm --filter @corral/service load 20` takes 20 seconds. Ends with status 1 if something is amiss.
 */

const seconds = Number(process.argv[2] ?? 60)
const CONNECTIONS = 32
const USERS = 600
const MIB = 2 ** 20
const apiKey = randomBytes(16).toString('hex')

process.exitCode = (await load()) ? 0 : 1

async function load(): Promise<boolean> {
  // What Redis said yes to is on its disk: a job that is lost is lost by somebody else.
  await using redis = await startRedis({
    args: ['--appendonly', 'yes', '--appendfsync', 'always'],
  })
  await using instances = createInstances(new URL('./instance.ts', import.meta.url), {
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    REDIS_URL: redis.url,
    API_KEY: apiKey,
  })
  const both = await Promise.all([instances.start(), instances.start()])
  const [{ url }] = both
  console.log(`2 processes on ${url}, ${CONNECTIONS} connections, ${seconds} s`)

  const heaps: number[][] = both.map(() => [])
  async function weigh(): Promise<void> {
    for (const [index, one] of both.entries()) heaps[index]?.push(await heapOf(one))
  }
  const client = createHttpClient(url, apiKey)
  const ended = new AbortController()
  const startedAt = performance.now()
  const tell = (text: string): void =>
    console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`)

  const pick = createPopularity(USERS)
  const jobs = startJobs(client, USERS, ended.signal)
  const cannon = autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    requests: [
      { setupRequest: (request) => ({ ...request, path: `/api/users/${pick()}` }) },
      { setupRequest: (request) => ({ ...request, path: `/api/cache/user:${pick()}` }) },
      { setupRequest: (request) => ({ ...request, path: `/api/cache/report:${pick() % 50}` }) },
    ],
  })
  const [faults, result] = await Promise.all([
    playFaults(redis, seconds * 1000, tell),
    cannon,
    weighAt([0.15, 0.45, 0.7, 0.95], weigh),
  ])
  const taken = await jobs.stop()
  tell('the load is over; looking after the jobs')
  const done = await countDone(client, jobs.added, 60_000, ended.signal)
  await weigh()
  client.close()

  const failures = result.errors + result.timeouts
  const { '2xx': good, '4xx': refused, '5xx': broken } = result
  for (const line of tableLines([
    ['requests answered', count(result.requests.total)],
    ['requests per second', count(Math.round(result.requests.average))],
    ['2xx', count(good)],
    ['4xx', count(refused)],
    ['5xx', count(broken)],
    ['without an answer', count(failures)],
    ['response time p50', milliseconds(result.latency.p50)],
    ['response time p99', milliseconds(result.latency.p99)],
    ['slowest', milliseconds(result.latency.max)],
    ...faults.map(({ name, tookMs }) => [`Redis ${name}`, milliseconds(tookMs)] as const),
    ['jobs done', `${count(done)} of ${count(jobs.added.length)}`],
    ['jobs offered again meanwhile', count(jobs.retries)],
    ...heaps.map((heap, index) => {
      const figures = heap.map((bytes) => (bytes / MIB).toFixed(1)).join(' ')
      return [`heap of process ${index + 1} after gc, MiB`, figures] as const
    }),
  ])) {
    console.log(line)
  }

  const amiss = [
    good === 0 && 'no request was answered',
    broken > 0 && `${broken} answers of 5xx`,
    refused > 0 && `${refused} answers of 4xx`,
    failures > 0 && `${failures} requests without an answer`,
    !taken && 'a job could not be handed over',
    done < jobs.added.length && `${jobs.added.length - done} jobs lost`,
    ...heaps.map((heap, index) => !isFlat(heap) && `process ${index + 1} keeps memory`),
  ].filter((one) => one !== false)
  for (const { worker } of both) worker.process.kill('SIGTERM')
  const statuses = await Promise.all(both.map(({ exit }) => exit))
  if (statuses.some((status) => status !== 0)) amiss.push('a process did not end well')
  for (const one of amiss) console.log(`FAILED: ${one}`)
  if (amiss.length === 0) console.log('All reads answered, all jobs done, no memory kept.')
  return amiss.length === 0
}

/** Weighs while Redis is there: what waits for it meanwhile is not kept. */
async function weighAt(shares: readonly number[], weigh: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  for (const share of shares) {
    await sleep(Math.max(0, startedAt + share * seconds * 1000 - performance.now()))
    await weigh()
  }
}
