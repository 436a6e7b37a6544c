import { createRollCall } from './roll-call.ts'
import { forkWorker, type WorkerProcess } from './worker-process.ts'

export interface SpawnWorkersOptions {
  /** How many processes. */
  count: number
  /** Given to each worker as `ctx.data` (structured clone). */
  data?: unknown
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>
  /** Barriers at which the test itself has a say: see `gate`. Default none. */
  gates?: readonly string[]
}

export interface WorkerReport {
  index: number
  value: unknown
}

export interface Workers<Result> extends AsyncDisposable {
  readonly pids: readonly number[]
  /**
   * The result of each worker, in order; `undefined` for those that the test killed. Rejects as
   * soon as one crashes, with its stderr; the others are ended then.
   */
  results(): Promise<(Result | undefined)[]>
  /** What workers reported so far, in order of arrival. */
  readonly reports: readonly WorkerReport[]
  /**
   * Waits until all living workers stand at the barrier `name`, which was listed in `gates`, and
   * returns the function that lets them go on.
   */
  gate(name: string): Promise<() => void>
  /** SIGKILL, waits until it is gone. Those left no longer wait for it at barriers. */
  kill(index: number): Promise<void>
  /** SIGSTOP. */
  pause(index: number): void
  /** SIGCONT. */
  resume(index: number): void
  signal(index: number, name: NodeJS.Signals): void
  /** Kills all that are left. */
  stop(): Promise<void>
}

/**
 * Runs a module (that calls `runWorker`) in `count` Node processes. Resolves when all of them are
 * there, and rejects when one crashes while loading. None outlives this process.
 */
export async function spawnWorkers<Result = unknown>(
  module: string | URL,
  options: SpawnWorkersOptions,
): Promise<Workers<Result>> {
  const { count, data, env = {}, gates = [] } = options
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`count must be a positive integer, received ${count}`)
  }
  const results = Array.from({ length: count }, (): Result | undefined => undefined)
  const reports: WorkerReport[] = []
  const done = new Set<number>()
  const killed = new Set<number>()
  const greeted = new Set<number>()
  let allThere: () => void = () => {}
  const there = new Promise<void>((resolve) => (allThere = resolve))

  const processes: WorkerProcess[] = Array.from({ length: count }, (_, index) =>
    forkWorker(module, index, env, (message) => {
      if (message.type === 'hello') {
        greeted.add(index)
        if (greeted.size === count) allThere()
      } else if (message.type === 'arrived') rollCall.arrived(index, message.barrier)
      else if (message.type === 'report') reports.push({ index, value: message.value })
      else {
        results[index] = message.result as Result
        done.add(index)
      }
    }),
  )
  const rollCall = createRollCall(count, gates, (index, barrier) => {
    processes[index]?.tell({ type: 'go', barrier })
  })

  const killAll = async (): Promise<void> => {
    for (const worker of processes) {
      if (worker.alive()) worker.signal('SIGKILL')
    }
    await Promise.all(processes.map((worker) => worker.ended))
  }
  const finished = Promise.all(
    processes.map(async (worker) => {
      const { how, stderr } = await worker.ended
      if (!done.has(worker.index) && !killed.has(worker.index)) {
        throw new Error(`worker ${worker.index} of ${count} crashed (${how}):\n${stderr.trim()}`)
      }
      rollCall.left(worker.index)
    }),
  ).then(() => results)
  // Seen by whoever asks for results; until then a crash is not an unhandled rejection.
  finished.catch((error: unknown) => {
    rollCall.fail(error as Error)
    return killAll()
  })
  const get = (index: number): WorkerProcess => {
    const worker = processes[index]
    if (worker === undefined) throw new RangeError(`no worker ${index}: there are ${count}`)
    return worker
  }
  const stop = async (): Promise<void> => {
    for (const worker of processes) {
      if (worker.alive()) killed.add(worker.index)
    }
    await killAll()
  }

  await Promise.race([there, finished])
  for (const worker of processes) worker.tell({ type: 'start', index: worker.index, count, data })

  return {
    pids: processes.map((worker) => worker.pid),
    results: () => finished,
    reports,
    gate: (name) => rollCall.gate(name),
    async kill(index) {
      const worker = get(index)
      killed.add(index)
      worker.signal('SIGKILL')
      await worker.ended
    },
    pause: (index) => get(index).signal('SIGSTOP'),
    resume: (index) => get(index).signal('SIGCONT'),
    signal: (index, name) => get(index).signal(name),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
