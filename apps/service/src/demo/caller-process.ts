import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { openConnection, type Connection } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { createMetrics, type Metrics } from '@corral/metrics'
import { tagsOf } from '../source.ts'
import type { CallerReport, CallerTask } from './caller-protocol.ts'
import { between, cacheFigures, type CacheFigures } from './service-figures.ts'

/*
 * One of the processes that call the cache in the demo: the same namespace, keys and tags as the
 * service, in a process of its own. It ends with the demo that started it.
 */

const { REDIS_URL = '', CACHE_NAMESPACE = '', SERVICE_URL = '' } = process.env

let open:
  | { readonly cache: Cache; readonly connection: Connection; readonly metrics: Metrics }
  | undefined
let following = true

process.on('message', (message) => void handle(message as CallerTask))
process.once('disconnect', () => void end())

async function handle(task: CallerTask): Promise<void> {
  if (task.task === 'stop') following = false
  else if (task.task === 'stampede') await stampede(task.key, task.callers, task.at)
  else await follow(task.key)
}

function opened(): NonNullable<typeof open> {
  // Not before it is needed: the demo counts the service's connections first.
  if (open === undefined) {
    const connection = openConnection(REDIS_URL, { onWarning: () => {} })
    const cache = createCache({ connection, namespace: CACHE_NAMESPACE, near: { maxEntries: 100 } })
    open = { connection, cache, metrics: createMetrics({ cache }) }
  }
  return open
}

async function figuresNow(): Promise<CacheFigures> {
  return cacheFigures(await opened().metrics.snapshot())
}

async function stampede(key: string, callers: number, at: number): Promise<void> {
  const { cache } = opened()
  // Whatever is slow only once is over before it counts.
  await cache.getOrSet(`${key}:first-contact`, () => ({}))
  const before = await figuresNow()
  await sleep(Math.max(0, at - Date.now()))

  const took: number[] = []
  const values = new Set<string>()
  const errors = new Set<string>()
  async function load(): Promise<unknown> {
    const path = `/api/users/${key.slice('user:'.length)}`
    // The service's source, past its cache.
    const response = await fetch(SERVICE_URL + path, { headers: { 'cache-control': 'no-store' } })
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    return response.json()
  }
  async function call(): Promise<void> {
    const start = performance.now()
    try {
      const value = await cache.getOrSet(key, load, { tags: tagsOf(key) })
      took.push(performance.now() - start)
      values.add(JSON.stringify(value))
    } catch (error) {
      errors.add((error as Error).message)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  const figures = between(before, await figuresNow())
  tell({ report: 'stampede', took, figures, values: [...values], errors: [...errors] })
}

/** Reads a key over and over, and tells when it reads something new. */
async function follow(key: string): Promise<void> {
  const { cache } = opened()
  const before = await figuresNow()
  let counted = 0
  let last = -1
  while (following && process.connected) {
    const copy = cache.peek<{ version: number }>(key)
    const value = copy ?? (await cache.get<{ version: number }>(key))
    counted++
    const version = value?.version ?? last
    if (version !== last) {
      last = version
      tell({ report: 'saw', version, at: performance.timeOrigin + performance.now() })
    }
    await sleep(1)
  }
  tell({ report: 'followed', figures: between(before, await figuresNow()), counted })
}

function tell(report: CallerReport): void {
  if (process.connected) process.send?.(report)
}

async function end(): Promise<void> {
  following = false
  open?.metrics.close()
  await open?.cache.close()
  await open?.connection.close()
}
