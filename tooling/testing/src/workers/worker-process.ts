import { fork, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { forgetProcess, watchProcess } from '../watchdog.ts'
import type { FromWorker, ToWorker } from './protocol.ts'

const KEPT_OUTPUT = 16_384

export interface WorkerProcess {
  readonly index: number
  readonly pid: number
  alive(): boolean
  tell(message: ToWorker): void
  signal(name: NodeJS.Signals): void
  /** Settles when the process has ended, with the way it did. */
  readonly ended: Promise<WorkerEnd>
}

export interface WorkerEnd {
  /** 'exit status 1' or 'SIGKILL'. */
  how: string
  /** The end of what it wrote to stderr. */
  stderr: string
}

/** Runs a TypeScript module as a real Node process, with the sources of the workspace. */
export function forkWorker(
  module: string | URL,
  index: number,
  env: Readonly<Record<string, string>>,
  onMessage: (message: FromWorker) => void,
): WorkerProcess {
  const file = fileURLToPath(new URL(module))
  const child = fork(file, {
    execArgv: ['--import', loader(), '--conditions=@corral/source'],
    // Values arrive as they were: Map, Date, bigint, undefined.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, ...env },
  })
  const pid = child.pid ?? -1
  if (child.pid !== undefined) watchProcess(pid)
  let stderr = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (text: string) => (stderr = (stderr + text).slice(-KEPT_OUTPUT)))
  child.on('message', (message) => onMessage(message as FromWorker))
  const ended = new Promise<WorkerEnd>((resolve) => {
    child.once('error', (error) => resolve({ how: error.message, stderr }))
    // `close` comes after the last of stderr.
    child.once('close', (code, signal) => {
      forgetProcess(pid)
      resolve({ how: signal ?? `exit status ${code}`, stderr })
    })
  })

  return {
    index,
    pid,
    ended,
    alive: () => isAlive(child),
    tell(message) {
      // It may be ending right now; then `ended` tells.
      if (child.connected) child.send(message, () => {})
    },
    signal: (name) => void child.kill(name),
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

function loader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
}
