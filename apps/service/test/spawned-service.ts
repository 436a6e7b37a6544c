import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A program of this package as a process of its own. */
export interface Spawned extends AsyncDisposable {
  readonly child: ChildProcess
  /** Everything it wrote so far. */
  output(): string
  /** Resolves with its exit status, or the signal that ended it. */
  readonly exit: Promise<number | string>
}

export function spawnProgram(
  path: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Spawned {
  const child = fork(fileURLToPath(new URL(`../src/${path}`, import.meta.url)), args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    execArgv: ['--conditions=@corral/source', '--import', import.meta.resolve('tsx')],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const exit = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    child,
    exit,
    output: () => output,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** The service, when it listens. */
export async function spawnService(
  env: Readonly<Record<string, string>>,
): Promise<Spawned & { readonly url: string }> {
  const spawned = spawnProgram('main.ts', env)
  const [message] = (await Promise.race([
    once(spawned.child, 'message'),
    spawned.exit.then((status) => {
      throw new Error(`the service ended with ${status}:\n${spawned.output()}`)
    }),
  ])) as [{ listening: string }]
  return { ...spawned, url: message.listening }
}
