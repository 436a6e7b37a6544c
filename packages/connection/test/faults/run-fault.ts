import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type ProxiedCommand, recordTrace, startProxy, startRedis, waitFor } from '@corral/testing'
import { shareConnection } from '../../src/index.ts'
import { type Client, type Driver, ignore } from '../guard/drivers.ts'
import { pause } from '../guard/pause.ts'
import { type Call, type Called, createCallLoad, quantile } from './call-load.ts'
import type { Fault, Scene } from './faults.ts'
import { createJobLoad, type JobCount } from './jobs.ts'

export interface FaultOptions {
  /** How long the fault stays. */
  readonly outageMs: number
  /** Options of the client, besides what BullMQ demands. */
  readonly client?: object
  /** False: the same calls on the plain client, for comparison. Default true. */
  readonly guarded?: boolean
}

export interface FaultReport {
  readonly fault: string
  readonly driver: string
  /** Calls begun while the fault was on, delay of the event loop taken off. */
  readonly calls: number
  /** Of these, how many ended with an error. */
  readonly failed: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Calls begun while the breaker was open or the client not ready. */
  readonly refused: number
  readonly refusedP99: number
  /** What was sent for us while the breaker was open, by command. */
  readonly sentWhileOpen: Readonly<Record<string, number>>
  readonly breakerOpened: boolean
  /** Most commands of ours in flight. */
  readonly mostPending: number
  /** From `ready`, or from the server answering again, to the first hit. */
  readonly recoveryMs: number
  readonly jobs: JobCount
  readonly unhandled: readonly unknown[]
  /** Listeners of ours left behind on the client. */
  readonly listenersLeft: number
  readonly loopP99: number
  /** Errors of calls that were not Corral's own. */
  readonly foreignErrors: readonly unknown[]
}

const PROBES = new Set(['PING', 'TIME'])

/** Runs jobs and guarded calls on one connection through a fault and tells what became of them. */
export async function runFault(
  fault: Fault,
  driver: Driver,
  options: FaultOptions,
): Promise<FaultReport> {
  const { outageMs, guarded = true } = options
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  await using redis = await startRedis({ args: fault.args ?? [], prefer: 'binary' })
  await using proxy = await startProxy({ target: redis })
  using trace = recordTrace(['corral:connection:breaker'])
  const histogram = monitorEventLoopDelay({ resolution: 5 })
  histogram.enable()

  const scene: Scene = { redis, proxy, quiet: () => jobs.quiet() }
  if (fault.fromTheStart === true) await fault.begin(scene)
  const client = new driver.Redis({
    port: proxy.port,
    host: proxy.host,
    maxRetriesPerRequest: null,
    ...(fault.password === undefined ? {} : { password: fault.password }),
    ...options.client,
  })
  client.on('error', ignore)
  let readyAt = 0
  client.on('ready', () => (readyAt = performance.now()))
  const jobs = createJobLoad(driver, client)
  const before = new Set(listeners(client))
  const connection = guarded
    ? shareConnection(client, { signals: false, onWarning: ignore })
    : undefined
  const ours = listeners(client).filter((listener) => !before.has(listener))
  using load = createCallLoad(connection ?? plainCalls(client))

  jobs.start()
  if (fault.fromTheStart !== true) {
    await waitFor(() => client.status === 'ready', { what: 'the client to be ready' })
    load.start()
    await waitFor(() => load.hits > 0, { what: 'the first hit' })
    await fault.begin(scene)
  } else load.start()
  jobs.start()
  const began = performance.now()
  proxy.clearStats()
  await pause(outageMs)
  const refusing = load.refusals()
  const ended = performance.now()
  await fault.end(scene)
  const healed = performance.now()

  const first = await waitFor(() => load.firstHitAfter(ended), {
    what: 'the first hit',
    timeout: 30_000,
  })
  const recoveryMs = Math.max(0, first - Math.max(healed, readyAt > began ? readyAt : 0))
  await jobs.quiet()
  load.stop()
  // What a plain client leaves hanging for good shall not hold up the others.
  await load.settled().catch((error: unknown) => {
    if (guarded) throw error
    load.abandon()
  })

  const durations = load.durations(began, ended)
  const sentWhileOpen = sentBetween(proxy.stats().commands, refusing, ended)
  const report: FaultReport = {
    fault: fault.name,
    driver: driver.name,
    calls: durations.length,
    failed: load.failures(began, ended),
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
    p999: quantile(durations, 0.999),
    refused: refusing.length,
    refusedP99: quantile(
      refusing.map(({ took }) => took),
      0.99,
    ),
    sentWhileOpen,
    breakerOpened: trace.of('corral:connection:breaker').length > 0,
    mostPending: load.mostPending,
    recoveryMs,
    jobs: jobs.count(),
    unhandled,
    foreignErrors: load.foreignErrors,
    loopP99: histogram.percentile(99) / 1e6,
    listenersLeft: 0,
  }
  await connection?.close()
  const left = new Set(listeners(client))
  const listenersLeft = ours.filter((listener) => left.has(listener)).length
  await jobs.close()
  client.disconnect()
  histogram.disable()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
  return { ...report, listenersLeft }
}

function plainCalls(client: Client): Called {
  return {
    get: (key) => client.get(key),
    set: (key, value, { ttlMs }) => client.call('SET', key, value, 'PX', ttlMs),
  }
}

/**
 * What was sent for us while a breaker was open, that is, between the first and the last call that
 * it refused; only writes when only writes were refused.
 */
function sentBetween(
  commands: readonly ProxiedCommand[],
  refused: readonly Call[],
  ended: number,
): Record<string, number> {
  const open = refused.filter(
    ({ outcome }) => outcome === 'breaker-open' || outcome === 'REDIS_FULL',
  )
  const reads = open.filter(({ kind }) => kind === 'read')
  const window = reads.length > 0 ? reads : open
  const [from, to] = [window[0]?.at ?? Infinity, window.at(-1)?.at ?? -Infinity]
  const sent: Record<string, number> = {}
  for (const { name, args, at } of commands) {
    const isWrite = name.startsWith('EVAL')
    const ours = PROBES.has(name) || args.some((arg) => arg.startsWith('guard:'))
    if (!ours || (reads.length === 0 && !isWrite)) continue
    // A moment for what was on its way when the breaker opened.
    if (at > from + 5 && at < Math.min(to, ended)) sent[name] = (sent[name] ?? 0) + 1
  }
  return sent
}

function listeners(client: Client): unknown[] {
  return client.eventNames().flatMap((event) => client.listeners(event))
}
