import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of the service, one of several behind one port. */
export interface Instance {
  readonly worker: Worker
  readonly url: string
  /** Resolves with its exit status, or the signal that ended it. */
  readonly exit: Promise<number | string>
}

/** Processes of the service behind one port: this process accepts connections and hands them out. */
export interface Instances extends AsyncDisposable {
  /** Starts one more; resolves when it listens. */
  start(): Promise<Instance>
}

/** @param program what an instance runs; it tells its parent when it listens */
export function createInstances(program: URL, env: Readonly<Record<string, string>>): Instances {
  cluster.setupPrimary({
    exec: fileURLToPath(program),
    args: [],
    execArgv: ['--conditions=@corral/source', '--import', import.meta.resolve('tsx')],
  })
  const running = new Set<Instance>()

  return {
    async start() {
      const worker = cluster.fork(env)
      const exit = once(worker, 'exit').then(
        ([code, signal]) => (signal ?? code) as number | string,
      )
      const [message] = (await Promise.race([
        once(worker, 'message'),
        exit.then((status) => {
          throw new Error(`an instance ended with ${status} before it listened`)
        }),
      ])) as [{ readonly listening: string }]
      const instance: Instance = { worker, url: message.listening, exit }
      running.add(instance)
      void exit.then(() => running.delete(instance))
      return instance
    },
    async [Symbol.asyncDispose]() {
      for (const { worker } of running) worker.process.kill('SIGKILL')
      await Promise.all([...running].map(({ exit }) => exit))
    },
  }
}
