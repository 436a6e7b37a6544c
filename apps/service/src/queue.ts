import { randomUUID } from 'node:crypto'
import { Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { Problem } from './plugins/problem.ts'
import { within } from './within.ts'

/** How long a request waits for the queue before it is told to come again. */
const QUEUE_DEADLINE_MS = 2000

export interface JobState {
  readonly id: string
  readonly state: string
  readonly attempts: number
  readonly failedReason?: string
}

/** Jobs that refresh a cached user behind the requests. */
export interface RefreshQueue {
  /**
   * Adds a job and resolves with its id. A second job with the id of one that is still known is
   * not added, so that a caller who got no answer may ask again.
   */
  add(userId: number, id?: string): Promise<string>
  job(id: string): Promise<JobState | undefined>
  counts(): Promise<Record<string, number>>
  /** Whether the worker takes jobs. */
  readonly running: boolean
  /** Lets the jobs at work finish; resolves with false if after `timeoutMs` one was not done. */
  close(timeoutMs: number): Promise<boolean>
}

export interface RefreshQueueOptions {
  readonly redis: Redis
  readonly prefix: string
  readonly name: string
  readonly concurrency: number
  /** Whether Redis would answer now; asked so that nothing is left behind in its client's queue. */
  readonly available: () => boolean
  readonly refresh: (userId: number) => Promise<void>
  readonly onError: (error: Error) => void
}

interface RefreshJob {
  readonly userId: number
}

export function createRefreshQueue(options: RefreshQueueOptions): RefreshQueue {
  const { redis: connection, prefix, name } = options
  const queue = new Queue<RefreshJob, void>(name, {
    connection,
    prefix,
    defaultJobOptions: {
      attempts: 5,
      backoff: { type: 'exponential', delay: 250, jitter: 0.5 },
      removeOnComplete: { age: 3600, count: 10_000 },
      removeOnFail: { age: 24 * 3600, count: 10_000 },
    },
  })
  const worker = new Worker<RefreshJob, void>(name, (job) => options.refresh(job.data.userId), {
    connection,
    prefix,
    concurrency: options.concurrency,
  })
  // Without a listener an `error` event ends the process.
  queue.on('error', options.onError)
  worker.on('error', options.onError)
  // From when a job is taken until its end is acknowledged.
  const open = new Set<string | undefined>()
  worker.on('active', (job) => open.add(job.id))
  worker.on('completed', (job) => open.delete(job.id))
  worker.on('failed', (job, error) => {
    open.delete(job?.id)
    options.onError(error)
  })

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    if (options.available()) {
      const answer = await within(question(), QUEUE_DEADLINE_MS)
      if (answer.done) return answer.value
    }
    throw new Problem(503, 'The queue does not answer; ask again with the same job id.', {
      headers: { 'retry-after': '1' },
    })
  }

  return {
    get running() {
      return worker.isRunning() && !worker.isPaused()
    },
    async add(userId, id = `job-${randomUUID()}`) {
      await ask(() => queue.add('refresh', { userId }, { jobId: id }))
      return id
    },
    job: (id) =>
      ask(async () => {
        const job = await queue.getJob(id)
        if (job === undefined) return undefined
        const state = await job.getState()
        const { attemptsMade: attempts, failedReason } = job
        return { id, state, attempts, ...(failedReason ? { failedReason } : {}) }
      }),
    counts: () =>
      ask(() => queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed')),
    async close(timeoutMs) {
      // Without Redis no job can be finished, however long it takes.
      const patience = options.available() ? timeoutMs : Math.min(timeoutMs, 500)
      const closing = worker.close().then(() => queue.close())
      // What does not end now ends when its client does; forcing a close under way has no effect.
      return (await within(closing, patience)).done || open.size === 0
    },
  }
}
