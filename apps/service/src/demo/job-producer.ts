import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpClient } from './http-client.ts'

/** Adds jobs one after the other; one that the service could not take is offered again. */
export interface JobProducer {
  /** Jobs that the service took. */
  readonly added: readonly string[]
  /** How often a job was offered again. */
  readonly retries: number
  /** Resolves when the last job is with the service, or `false` when it never took it. */
  stop(): Promise<boolean>
}

const PAUSE_MS = 40
/** Longest that one job is offered. */
const PATIENCE_MS = 15_000

/** Jobs for one user after the other, from 1 to `users` and round again. */
export function startJobs(client: HttpClient, users: number, signal: AbortSignal): JobProducer {
  const added: string[] = []
  let retries = 0
  let running = true

  async function offer(id: string, userId: number): Promise<boolean> {
    const until = performance.now() + PATIENCE_MS
    const body = { id, userId }
    while (!signal.aborted && performance.now() < until) {
      const { status } = await client.send('POST', '/api/jobs', { body })
      if (status === 202) return true
      // The same id again: if the queue got it after all, it is not added twice.
      retries++
      await sleep(200)
    }
    return false
  }

  async function produce(): Promise<boolean> {
    for (let number = 1; running && !signal.aborted; number++) {
      const id = `demo-${process.pid}-${Date.now()}-${number}`
      if (!(await offer(id, 1 + (number % users)))) return false
      added.push(id)
      await sleep(PAUSE_MS)
    }
    return true
  }

  const produced = produce()
  return {
    added,
    get retries() {
      return retries
    },
    stop() {
      running = false
      return produced
    },
  }
}

/** Looks after each job until it is done; resolves with how many were by `timeoutMs`. */
export async function countDone(
  client: HttpClient,
  ids: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  const until = performance.now() + timeoutMs
  let open = [...ids]
  for (;;) {
    const states = await Promise.all(
      open.map(async (id) => {
        const { body } = await client.send('GET', `/api/jobs/${id}`)
        return (body as { state?: string } | undefined)?.state
      }),
    )
    open = open.filter((_, index) => states[index] !== 'completed')
    if (open.length === 0 || signal.aborted || performance.now() > until)
      return ids.length - open.length
    await sleep(50)
  }
}
