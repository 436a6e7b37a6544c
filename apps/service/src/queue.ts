import { randomUUID } from 'node:crypto'
import { Queue, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { Problem } from './plugins/problem.ts'
import { within } from './within.ts'

/** How long a request waits for the queue before it is told to come again. */
const QUEUE_DEADLINE_MS = 2000

/** What each kind of job is about. */
export interface Jobs {
  /** Loads a cached user anew. */
  readonly refresh: { readonly userId: number }
  /** Fills the cache ahead; `ttl` in seconds. */
  readonly warm: { readonly keys: readonly string[]; readonly ttl?: number }
  /** Gives credits to a user. */
  readonly grant: { readonly userId: number; readonly amount: number }
}

export type JobKind = keyof Jobs

/** The job that a handler works on. */
export interface JobRun {
  readonly id: string
  /** Tells those who ask for the job how far it is. Costs nothing while the last word is on its way. */
  readonly report: (progress: object) => void
}

/** What is done with each kind of job; what a handler resolves with can be asked for afterwards. */
export type JobHandlers = {
  readonly [Kind in JobKind]: (data: Jobs[Kind], run: JobRun) => Promise<object>
}

export interface JobState {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly attempts: number
  readonly progress?: object
  readonly result?: object
  readonly failedReason?: string
}

/** Work that is done behind the requests. */
export interface JobQueue {
  /**
   * Adds a job and resolves with its id. A second job with the id of one that is still known is
   * not added, so that a caller who got no answer may ask again.
   */
  add<Kind extends JobKind>(kind: Kind, data: Jobs[Kind], id?: string): Promise<string>
  job(id: string): Promise<JobState | undefined>
  counts(): Promise<Record<string, number>>
  /** Whether the worker takes jobs. */
  readonly running: boolean
  /** Lets the jobs at work finish; resolves with false if after `timeoutMs` one was not done. */
  close(timeoutMs: number): Promise<boolean>
}

export interface JobQueueOptions {
  readonly redis: Redis
  readonly prefix: string
  readonly name: string
  readonly concurrency: number
  /** Whether Redis would answer now; asked so that nothing is left behind in its client's queue. */
  readonly available: () => boolean
  readonly handlers: JobHandlers
  readonly onError: (error: Error) => void
}

export function createJobQueue(options: JobQueueOptions): JobQueue {
  const { redis: connection, prefix, name, handlers } = options
  const queue = new Queue<Jobs[JobKind], object, JobKind>(name, {
    connection,
    prefix,
    defaultJobOptions: {
      attempts: 5,
      backoff: { type: 'exponential', delay: 250, jitter: 0.5 },
      removeOnComplete: { age: 3600, count: 10_000 },
      removeOnFail: { age: 24 * 3600, count: 10_000 },
    },
  })
  const worker = new Worker<Jobs[JobKind], object, JobKind>(
    name,
    (job) => {
      const handler = handlers[job.name] as (data: Jobs[JobKind], run: JobRun) => Promise<object>
      return handler(job.data, { id: job.id ?? '', report: reporter(job) })
    },
    { connection, prefix, concurrency: options.concurrency },
  )
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
    async add(kind, data, id = `job-${randomUUID()}`) {
      await ask(() => queue.add(kind, data, { jobId: id }))
      return id
    },
    job: (id) =>
      ask(async () => {
        const job = await queue.getJob(id)
        return job === undefined ? undefined : stateOf(id, job, await job.getState())
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

type AnyJob = Job<Jobs[JobKind], object, JobKind>

/** Progress is for people: what would be sent while the last is on its way is left out. */
function reporter(job: AnyJob): (progress: object) => void {
  let underWay = false
  return (progress) => {
    if (underWay) return
    underWay = true
    const done = (): void => {
      underWay = false
    }
    job.updateProgress(progress).then(done, done)
  }
}

function stateOf(id: string, job: AnyJob, state: string): JobState {
  const { name: kind, attemptsMade: attempts, progress, returnvalue, failedReason } = job
  return {
    id,
    kind,
    state,
    attempts,
    ...(typeof progress === 'object' ? { progress } : {}),
    ...(returnvalue && Object.keys(returnvalue).length > 0 ? { result: returnvalue } : {}),
    ...(failedReason ? { failedReason } : {}),
  }
}
