import { waitFor } from '@corral/testing'
import { type BullQueue, type Client, type Driver, ignore } from '../guard/drivers.ts'

export interface JobCount {
  readonly added: number
  /** Jobs that were processed at least once. */
  readonly processed: number
  /** Runs of the processor beyond the first of a job. */
  readonly repeated: number
}

/** A queue and a Worker on a given connection, and a producer that adds a job again and again. */
export interface JobLoad {
  readonly queue: BullQueue
  start(): void
  /** Stops adding; resolves when all that were added are processed. */
  quiet(): Promise<void>
  count(): JobCount
  close(): Promise<void>
}

const EVERY_MS = 25

export function createJobLoad(driver: Driver, client: Client): JobLoad {
  const queue = new driver.Queue('beside', { connection: client })
  const runs = new Map<string, number>()
  const worker = new driver.Worker(
    'beside',
    async ({ id = '' }) => void runs.set(id, (runs.get(id) ?? 0) + 1),
    { connection: client, concurrency: 5 },
  )
  queue.on('error', ignore)
  worker.on('error', ignore)
  const adding = new Set<Promise<void>>()
  let added = 0
  let timer: NodeJS.Timeout | undefined

  /** As often as it takes; the id makes a second attempt harmless. */
  async function add(jobId: string): Promise<void> {
    for (;;) {
      try {
        await queue.add('work', {}, { jobId, removeOnComplete: 1_000 })
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  function next(): void {
    const job: Promise<void> = add(`job-${added++}`).finally(() => adding.delete(job))
    adding.add(job)
  }

  return {
    queue,
    start: () => void (timer ??= setInterval(next, EVERY_MS)),
    async quiet() {
      clearInterval(timer)
      timer = undefined
      await waitFor(() => adding.size === 0 && runs.size === added, {
        what: `all ${added} jobs to be processed`,
        timeout: 20_000,
      })
    },
    count() {
      let sum = 0
      for (const times of runs.values()) sum += times
      return { added, processed: runs.size, repeated: sum - runs.size }
    },
    async close() {
      clearInterval(timer)
      // A Worker waits for its blocking read, which may have died with its connection.
      const late = new Promise((resolve) => setTimeout(resolve, 3_000).unref())
      await Promise.race([worker.close().then(() => queue.close()), late])
    },
  }
}
