import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The service, as a process of its own. */
export interface ServiceProcess {
  readonly url: string
  /** Resolves when it ended, in whatever way. */
  readonly ended: Promise<void>
  /** What it logged last. */
  log(): string
  /** Asks it to stop and resolves with its exit status; a service that does not is killed. */
  stop(): Promise<number>
}

const STOP_TIMEOUT_MS = 12_000

/**
 * Starts the service and waits until it listens. Should this process die, the channel between them
 * closes and the service stops by itself.
 */
export async function startService(env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const child = fork(fileURLToPath(new URL('../main.ts', import.meta.url)), {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A group of its own: Ctrl-C reaches the demo alone, which stops the service in good order.
    detached: true,
  })
  const lines = keepLog(child)
  const log = (): string => lines.slice(-20).join('\n')
  const ended = once(child, 'exit').then(() => {})
  const url = await Promise.race([
    listening(child),
    ended.then(() => {
      throw new Error(`the service did not start:\n${log()}`)
    }),
  ])

  return {
    url,
    ended,
    log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
        child.kill('SIGTERM')
        await ended
        clearTimeout(force)
      }
      return child.exitCode ?? 1
    },
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve((message as { listening: string }).listening))
  })
}

function keepLog(child: ChildProcess): string[] {
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.trimEnd().split('\n'))
      lines.splice(0, lines.length - 100)
    })
  }
  return lines
}
