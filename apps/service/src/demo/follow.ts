import { setTimeout as sleep } from 'node:timers/promises'
import type { Callers } from './callers.ts'
import type { ForeignWriter } from './foreign-writer.ts'
import type { HttpClient } from './http-client.ts'
import { quantile } from './samples.ts'
import type { Screen } from './screen.ts'
import { faultOfCount, readsOf, together, type CacheFigures } from './service-figures.ts'
import { count, milliseconds, percent, tableLines } from './table.ts'

/** A user that nothing else in the demo changes. */
const USER_ID = 4322
const WRITES = 20
/** Between two writes, so that copies are made and used. */
const PAUSE_MS = 60
const TTL_MS = 60_000
/** Longest that a write may take to be seen by all. */
const SEEN_LIMIT_MS = 2000
/** Slower than this, half of the time, is not following but looking again. */
const SLOW_MS = 150

/** How copies in several processes followed writes by somebody else. */
export interface Follow {
  readonly writer: ForeignWriter['name']
  readonly processes: number
  readonly writes: number
  /** From each write until each process read it, in milliseconds. */
  readonly took: readonly number[]
  /** What the metrics of all processes counted. */
  readonly figures: CacheFigures
  /** Reads as the processes counted them themselves. */
  readonly counted: number
  /** Whether the service shows the last write, too. */
  readonly serviceFollowed: boolean
}

export async function follow(options: {
  readonly callers: Callers
  readonly client: HttpClient
  readonly namespace: string
  readonly screen: Screen
  readonly signal: AbortSignal
  readonly writer: ForeignWriter
}): Promise<Follow> {
  const { callers, client, namespace, screen, signal, writer } = options
  const path = `/api/users/${USER_ID}`
  const { body: user } = await client.send('GET', path)
  const took: number[] = []

  /** Resolves when every process has read this version, or after a while. */
  async function write(version: number): Promise<readonly number[]> {
    const limit = AbortSignal.timeout(SEEN_LIMIT_MS)
    const seen: number[] = []
    const all = callers.collect(
      'saw',
      (reports) => {
        const last = reports.at(-1)
        if (last?.version === version) seen.push(last.at)
        return seen.length === callers.size
      },
      AbortSignal.any([limit, signal]),
    )
    const sentAt = performance.timeOrigin + performance.now()
    // As Keyv writes it, too: a value, and when it ends.
    const text = JSON.stringify({
      value: { ...(user as object), version },
      expires: Date.now() + TTL_MS,
    })
    writer.set(`${namespace}::user:${USER_ID}`, text, TTL_MS)
    await all.catch((error: unknown) => {
      if (!limit.aborted) throw error
    })
    return seen.map((at) => at - sentAt)
  }

  callers.send({ task: 'follow', key: `user:${USER_ID}` })
  // The first one finds processes that are still connecting.
  for (let version = 1000; version <= 1000 + WRITES; version++) {
    screen.progress(`Writing with ${writer.name}`, `${version - 1000} of ${WRITES}`)
    const seen = await write(version)
    if (version > 1000) took.push(...seen)
    await sleep(PAUSE_MS, undefined, { signal })
  }
  const followed = callers.collect('followed', (all) => all.length === callers.size, signal)
  callers.send({ task: 'stop' })
  const parts = await followed
  const { body } = await client.send('GET', path)
  return {
    writer: writer.name,
    processes: callers.size,
    writes: WRITES,
    took,
    figures: together(parts.map((part) => part.figures)),
    counted: parts.reduce((sum, part) => sum + part.counted, 0),
    serviceFollowed: (body as { version?: number } | undefined)?.version === 1000 + WRITES,
  }
}

export function followReport({ figures, processes, took, writes }: Follow): string[] {
  return tableLines([
    ['writes seen', `${count(took.length)} of ${count(writes * processes)}`],
    ['until the new value was read p50', milliseconds(quantile(took, 0.5))],
    ['until the new value was read, slowest', milliseconds(quantile(took, 1))],
    ['reads meanwhile', count(readsOf(figures))],
    ['answered without asking Redis', percent(figures.nearHits, readsOf(figures))],
  ])
}

/** In sentences; nothing when all went well. */
export function faultsOfFollow(result: Follow): string[] {
  const { counted, figures, processes, serviceFollowed, took, writer, writes } = result
  const faults: string[] = []
  const missed = writes * processes - took.length
  if (missed > 0) faults.push(`${missed} writes by ${writer} were not seen`)
  const median = quantile(took, 0.5)
  if (median > SLOW_MS) {
    faults.push(`writes by ${writer} were seen after ${milliseconds(median)}, half of the time`)
  }
  if (figures.nearHits < counted / 2) {
    faults.push('most reads asked Redis in spite of the near cache')
  }
  faults.push(...faultOfCount('reads by those who follow', readsOf(figures), counted))
  if (!serviceFollowed) faults.push(`the service did not see the last write by ${writer}`)
  return faults
}
