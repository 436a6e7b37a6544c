import { randomBytes } from 'node:crypto'
import process from 'node:process'
import { startCallers } from './callers.ts'
import { comparison, POPULAR_USERS, run } from './compare.ts'
import { findRedis } from './demo-redis.ts'
import { faultsOfFollow, follow, followReport } from './follow.ts'
import { openForeignWriter } from './foreign-writer.ts'
import { freeze, freezeReport, type Freeze } from './freeze.ts'
import { createHttpClient } from './http-client.ts'
import { createScreen } from './screen.ts'
import { startService } from './service-process.ts'
import { faultsOfStampede, stampede, stampedeReport } from './stampede.ts'
import { faultsOf } from './verdict.ts'
import { warm } from './warm.ts'

/*
 * Shows what Corral does: real requests and real jobs against the real service, without and with
 * the cache; a stampede from several processes; copies in them that follow what redis-cli writes;
 * and a Redis that stops answering. Every figure is measured. `--once` ends after
 * the report, with a status that says whether all went well; otherwise the service goes on.
 */

const USERS = 5000
const LATENCY_MS = 30
const POOL = 20
const PROCESSES = 4
const once = process.argv.includes('--once')
const screen = createScreen(process.stdout, process.env)
const INTERRUPTED = new Error('interrupted')
const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interrupt.abort(INTERRUPTED))
}

/** What has to be undone, the last first, whatever happens. */
const undo: (() => Promise<unknown>)[] = []
let status = 1
try {
  status = await demo()
} catch (error) {
  const { aborted, reason } = interrupt.signal
  if (reason === INTERRUPTED) status = 130
  screen.line(screen.bad(((aborted ? reason : error) as Error).message))
} finally {
  interrupt.abort(INTERRUPTED)
  for (const step of undo.toReversed()) await step().catch(() => {})
}
process.exitCode = status

async function demo(): Promise<number> {
  const { signal } = interrupt
  const name = `corral-demo-${process.pid}-${randomBytes(4).toString('hex')}`
  const apiKey = randomBytes(16).toString('hex')

  screen.progress('Starting Redis and the service')
  const redis = await findRedis(process.env['REDIS_URL'], name)
  undo.push(() => redis.release())
  signal.throwIfAborted()
  const service = await startService({
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'warn',
    REDIS_URL: redis.url,
    API_KEY: apiKey,
    BULLMQ_PREFIX: `${name}-jobs`,
    CACHE_NAMESPACE: name,
    CACHE_BYPASS: 'true',
    DATABASE_USERS: String(USERS),
    DATABASE_LATENCY: `${LATENCY_MS}ms`,
    DATABASE_POOL: String(POOL),
  })
  undo.push(() => service.stop())
  let unexpected = true
  void service.ended.then(() => {
    if (unexpected) interrupt.abort(new Error(`the service ended:\n${service.log()}`))
  })
  const client = createHttpClient(service.url, apiKey)
  undo.push(async () => client.close())
  const callers = startCallers(PROCESSES, {
    REDIS_URL: redis.url,
    CACHE_NAMESPACE: name,
    SERVICE_URL: service.url,
  })
  undo.push(() => callers.stop())

  screen.line(
    screen.bold('Corral: a Fastify service, its BullMQ worker and its cache on one Redis client'),
  )
  screen.line(`Redis    ${redis.description}`)
  screen.line(`Service  ${service.url}`)
  screen.line(
    `Source   Postgres in the service, ${USERS} users, ${LATENCY_MS} ms away, ${POOL} queries at once`,
  )
  screen.line()

  const common = { client, screen, signal }
  const without = await run({
    ...common,
    stage: 'Load without the cache',
    durationMs: 2500,
    headers: { 'cache-control': 'no-store' },
  })
  screen.progress('Warming the cache')
  const keys = Array.from({ length: POPULAR_USERS / 2 }, (_, index) => `user:${index + 1}`)
  await warm(client, keys, (detail) => screen.progress('Warming the cache', detail), signal)
  const cached = await run({ ...common, stage: 'Load with the cache', durationMs: 3000 })

  screen.line(screen.bold('The same load, without and with the cache'))
  for (const line of comparison(without, cached)) screen.line(line)
  const connections = await redis.connections?.()
  if (connections !== undefined) {
    screen.line(
      screen.dim(
        `  Redis connections of the service: queue, cache and locks, the worker's, signals: ${connections}`,
      ),
    )
  }
  screen.line()

  const rush = await stampede({ ...common, callers })
  screen.line(
    screen.bold(
      `A stampede: ${rush.callers.toLocaleString('en-US')} callers in ${rush.processes} processes want one user that nobody has cached`,
    ),
  )
  for (const line of stampedeReport(rush)) screen.line(line)
  screen.line()

  const writer = await openForeignWriter(redis.url)
  undo.push(() => writer.close())
  const followed = await follow({ ...common, callers, namespace: name, writer })
  screen.line(
    screen.bold(
      `Copies in ${followed.processes} processes while ${followed.writer} writes ${followed.writes} times`,
    ),
  )
  for (const line of followReport(followed)) screen.line(line)
  screen.line()
  await Promise.all([writer.close(), callers.stop()])

  let frozen: Freeze | undefined
  if (redis.freezer === undefined) {
    screen.line("This Redis is not the demo's own, so it is not frozen; without REDIS_URL the demo")
    screen.line('starts one of its own and shows what happens when it stops answering.')
  } else {
    frozen = await freeze({ ...common, freezer: redis.freezer })
    screen.line(
      screen.bold(`Redis frozen for ${(frozen.frozenMs / 1000).toFixed(1)} s under the same load`),
    )
    for (const line of freezeReport(frozen)) screen.line(line)
  }
  screen.line()

  const faults = [
    ...faultsOf([without, cached], frozen),
    ...faultsOfStampede(rush),
    ...faultsOfFollow(followed),
  ]
  for (const fault of faults) screen.line(screen.bad(`FAILED: ${fault}`))
  if (faults.length === 0) screen.line(screen.good('All requests answered, all jobs done.'))

  if (!once) {
    screen.line()
    screen.line(`Serving on ${screen.bold(service.url)} until Ctrl-C; try`)
    screen.line(`  curl -i ${service.url}/api/users/7`)
    screen.line(
      `  curl -X PUT ${service.url}/api/users/7 -H 'x-api-key: ${apiKey}' -H 'content-type: application/json' -d '{"credits":1}'`,
    )
    screen.line(`  curl ${service.url}/api/cache/stats`)
    await untilInterrupted(signal)
  }
  unexpected = false
  const stopped = await service.stop()
  if (stopped !== 0) {
    screen.line(screen.bad(`FAILED: the service ended with status ${stopped}`))
    screen.line(service.log())
  }
  return faults.length === 0 && stopped === 0 ? 0 : 1
}

function untilInterrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    // A handler for a signal alone does not keep the process alive.
    const keepAlive = setInterval(() => {}, 60_000)
    signal.addEventListener('abort', () => {
      clearInterval(keepAlive)
      resolve()
    })
  })
}
