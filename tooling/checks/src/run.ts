import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './repository.ts'

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds after which it is ended. Default: never. */
  readonly timeout?: number
}

export interface RunResult {
  /** Exit status; -1 when a signal ended it. */
  readonly status: number
  readonly stdout: string
  /** Both streams in the order of arrival. */
  readonly output: string
}

/** Runs a program to its end and never throws for what the program did. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      // VITEST_REPORT is for the outer run alone: an inner vitest would write over its counts.
      env: {
        ...process.env,
        VITEST_REPORT: undefined,
        NO_COLOR: '1',
        FORCE_COLOR: undefined,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeout,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ status: code ?? -1, stdout, output }))
  })
}

/** A tool of the workspace root, as the root scripts call it. */
export function rootTool(name: string): string {
  return join(root, 'node_modules/.bin', name)
}
