import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { createBinaryBackend } from './binary-backend.ts'
import type { ServerBackend } from './server.ts'

const run = promisify(execFile)

/** A backend for `redis-server` or `valkey-server` on PATH. */
export async function findBinary(): Promise<ServerBackend | undefined> {
  for (const name of ['redis-server', 'valkey-server']) {
    const path = findExecutable(name)
    if (path !== undefined) return createBinaryBackend(path, await versionOf(path))
  }
  return undefined
}

/** Path of redis-cli or valkey-cli, if there is one. */
export function findCli(): string | undefined {
  return findExecutable('redis-cli') ?? findExecutable('valkey-cli')
}

export function findExecutable(name: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (directory === '') continue
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return undefined
}

async function versionOf(path: string): Promise<string | undefined> {
  const { stdout } = await run(path, ['--version'])
  const version = /v=(\d+(?:\.\d+)*)/.exec(stdout)?.[1]
  return version !== undefined && /valkey/i.test(stdout) ? `valkey-${version}` : version
}
