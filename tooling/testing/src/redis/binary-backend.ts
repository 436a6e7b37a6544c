import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configFile } from './config-file.ts'
import type { Server, ServerBackend, ServerSpec } from './server.ts'
import { forgetProcess, removeAtEnd, watchProcess } from '../watchdog.ts'

/** Runs servers as child processes from an executable on this machine. */
export function createBinaryBackend(program: string, version: string | undefined): ServerBackend {
  return {
    kind: 'binary',
    program,
    version,
    bind: '127.0.0.1',
    create: (spec) => createProcess(program, spec),
  }
}

function createProcess(program: string, spec: ServerSpec): Server {
  const directory = mkdtempSync(join(tmpdir(), `corral-${spec.name}-`))
  removeAtEnd(directory)
  mkdirSync(join(directory, 'data'))
  const config = join(directory, 'redis.conf')
  const log = join(directory, 'log')
  writeFileSync(config, configFile([...spec.directives, ['dir', join(directory, 'data')]]))
  let child: ChildProcess | undefined
  let args = spec.args

  const running = (): ChildProcess | undefined =>
    child?.pid !== undefined && child.exitCode === null && child.signalCode === null
      ? child
      : undefined

  const kill = async (): Promise<void> => {
    const current = running()
    if (current === undefined) return
    const exited = once(current, 'exit')
    current.ref()
    current.kill('SIGKILL')
    await exited
  }

  const signal = (name: 'SIGSTOP' | 'SIGCONT'): Promise<void> => {
    const current = running()
    if (current === undefined) {
      return Promise.reject(new Error(`${spec.name} on port ${spec.port} is not running`))
    }
    current.kill(name)
    return Promise.resolve()
  }

  return {
    spec,
    host: '127.0.0.1',
    pid: () => running()?.pid,
    async start(options) {
      await kill()
      args = options?.args ?? args
      const kind = spec.kind === 'sentinel' ? ['--sentinel'] : []
      const output = openSync(log, 'a')
      const started = spawn(program, [config, ...kind, ...args], {
        cwd: directory,
        stdio: ['ignore', output, output],
        detached: true,
      })
      closeSync(output)
      child = started
      const { pid } = started
      if (pid === undefined) {
        const [error] = (await once(started, 'error')) as [Error]
        throw new Error(`could not run ${program}: ${error.message}`, { cause: error })
      }
      watchProcess(pid)
      started.once('exit', () => forgetProcess(pid))
      // A program that forgot to stop its servers may still end; the watchdog takes them along.
      started.unref()
    },
    failure() {
      if (child === undefined || running() !== undefined) return undefined
      const how = child.signalCode ?? `exit status ${child.exitCode}`
      return `${program} ended (${how}); its log ends with:\n${tailOf(log)}`
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    kill,
    async remove() {
      await kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function tailOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n')
  } catch {
    return '(no log)'
  }
}
