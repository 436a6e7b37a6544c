import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CallerReport, CallerTask } from './caller-protocol.ts'

/** Processes that call the cache, beside the service. */
export interface Callers {
  readonly size: number
  /** Gives all of them a task. */
  send(task: CallerTask): void
  /** Every report of one kind from now on, until `done` is true for those so far. */
  collect<Kind extends CallerReport['report']>(
    kind: Kind,
    done: (reports: readonly ReportOf<Kind>[]) => boolean,
    signal: AbortSignal,
  ): Promise<readonly ReportOf<Kind>[]>
  stop(): Promise<void>
}

export type ReportOf<Kind> = Extract<CallerReport, { readonly report: Kind }>

const STOP_TIMEOUT_MS = 3000

/** Starts them; they connect to Redis with their first task. */
export function startCallers(size: number, env: Readonly<Record<string, string>>): Callers {
  const path = fileURLToPath(new URL('./caller-process.ts', import.meta.url))
  const children = Array.from({ length: size }, () =>
    fork(path, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // A group of its own: Ctrl-C reaches the demo alone, which stops them in good order.
      detached: true,
    }),
  )

  return {
    size,
    send: (task) => children.forEach((child) => child.send(task)),
    collect(kind, done, signal) {
      return new Promise((resolve, reject) => {
        const reports: ReportOf<typeof kind>[] = []
        const onMessage = (report: CallerReport): void => {
          if (report.report !== kind) return
          reports.push(report as ReportOf<typeof kind>)
          if (done(reports)) finish(() => resolve(reports))
        }
        const onExit = (): void => finish(() => reject(new Error('a calling process ended')))
        const onAbort = (): void => finish(() => reject(signal.reason as Error))
        function finish(settle: () => void): void {
          for (const child of children) child.off('message', onMessage).off('exit', onExit)
          signal.removeEventListener('abort', onAbort)
          settle()
        }
        for (const child of children) child.on('message', onMessage).once('exit', onExit)
        signal.addEventListener('abort', onAbort)
        if (signal.aborted) onAbort()
        else if (children.some(hasEnded)) onExit()
      })
    },
    async stop() {
      await Promise.all(children.map(end))
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = once(child, 'exit')
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  if (child.connected) child.disconnect()
  await ended
  clearTimeout(force)
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
