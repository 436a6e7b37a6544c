import type { FromWorker, ToWorker } from './protocol.ts'

export interface WorkerContext<Data = unknown> {
  /** 0 to `count` - 1. */
  readonly index: number
  readonly count: number
  /** What `spawnWorkers` was given. */
  readonly data: Data
  /** Waits until all workers that are alive have arrived here. A name may be used again. */
  barrier(name: string): Promise<void>
  /** Tells the test something while going on. */
  report(value: unknown): void
}

/**
 * The body of a worker module. What `main` returns is the worker's result; when it throws, the test
 * fails with its stack. The process ends afterwards, whatever it left open.
 */
export function runWorker<Data = unknown, Result = unknown>(
  main: (context: WorkerContext<Data>) => Result | Promise<Result>,
): void {
  if (process.send === undefined) {
    throw new Error('runWorker: this module is to be started by spawnWorkers')
  }
  const waiting = new Map<string, () => void>()

  const start = async (message: ToWorker & { type: 'start' }): Promise<void> => {
    const result = await main({
      index: message.index,
      count: message.count,
      data: message.data as Data,
      barrier: (name) =>
        new Promise((resolve) => {
          waiting.set(name, resolve)
          void tell({ type: 'arrived', barrier: name })
        }),
      report: (value) => void tell({ type: 'report', value }),
    })
    await tell({ type: 'done', result })
    process.exit(0)
  }

  process.on('message', (message: ToWorker) => {
    if (message.type === 'go') {
      const go = waiting.get(message.barrier)
      waiting.delete(message.barrier)
      go?.()
      return
    }
    start(message).catch((error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      process.stderr.write(`${text}\n`, () => process.exit(1))
    })
  })
  // Whoever started us is gone: nobody wants the result.
  process.once('disconnect', () => process.exit(1))
  void tell({ type: 'hello' })
}

function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)))
  })
}
