import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { findExecutable } from './find-binary.ts'

/** What installing depends on; tests inject their own. */
export interface AptMachine {
  isRoot: boolean
  /** Contents of /etc/os-release, empty when there is none. */
  osRelease: string
  hasApt: boolean
  run(command: string, args: readonly string[]): Promise<number>
  announce(line: string): void
}

/**
 * The last resort on Debian and Ubuntu as root: installs the distribution's redis-server. Resolves
 * to whether it did.
 */
export async function installByApt(machine: AptMachine = thisMachine()): Promise<boolean> {
  const debian = /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(machine.osRelease)
  if (!machine.isRoot || !debian || !machine.hasApt) return false
  machine.announce('corral: no Redis server found, installing one: apt-get install -y redis-server')
  // A stale package list is no reason to give up: the installation itself decides.
  await machine.run('apt-get', ['update', '-qq'])
  const status = await machine.run('apt-get', [
    'install',
    '-y',
    '-qq',
    // Test files start side by side, and so may their installations: they wait for one another.
    '-o',
    'DPkg::Lock::Timeout=120',
    'redis-server',
  ])
  if (status !== 0) machine.announce(`corral: apt-get install ended with status ${status}`)
  return status === 0
}

function thisMachine(): AptMachine {
  return {
    isRoot: process.getuid?.() === 0,
    osRelease: readOsRelease(),
    hasApt: findExecutable('apt-get') !== undefined,
    async run(command, args) {
      const child = spawn(command, args, {
        stdio: 'ignore',
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
      const [status] = (await once(child, 'exit')) as [number | null]
      return status ?? 1
    },
    announce: (line) => process.stderr.write(`${line}\n`),
  }
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return ''
  }
}
