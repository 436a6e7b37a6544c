import type { ServerBackend } from './server.ts'

/** What finding a server depends on; tests inject their own. */
export interface BackendSources {
  env: Readonly<Record<string, string | undefined>>
  dockerAnswers(): Promise<boolean>
  /** May throw when the image cannot be had. */
  docker(version: string | undefined): Promise<ServerBackend>
  /** An executable on PATH with its version. */
  binary(): Promise<ServerBackend | undefined>
  /** Installs the distribution's server if this machine lets us; tells whether it did. */
  install(): Promise<boolean>
  warn(line: string): void
}

export interface BackendWanted {
  version?: string | undefined
  prefer?: 'docker' | 'binary' | undefined
}

const HOW_TO_GET_ONE =
  'install redis-server or valkey-server (Debian and Ubuntu: apt-get install redis-server; ' +
  'macOS: brew install redis), start Docker, or set TEST_REDIS_URL'

/**
 * Docker when a daemon answers, then the executable on PATH, then the distribution's package. A
 * preference (option or `CORRAL_TEST_REDIS`) leaves only that one way.
 */
export async function findBackend(
  wanted: BackendWanted,
  sources: BackendSources,
): Promise<ServerBackend> {
  const { version } = wanted
  const only = wanted.prefer ?? preference(sources.env['CORRAL_TEST_REDIS'])
  if (only !== 'binary' && (await sources.dockerAnswers())) {
    try {
      return await sources.docker(version)
    } catch (error) {
      if (only === 'docker') throw error
      sources.warn(`corral: Docker answers but cannot run Redis (${messageOf(error)})`)
    }
  }
  if (only === 'docker') throw new Error('Redis was asked for from Docker, but no daemon answers')

  let found = await sources.binary()
  if (found === undefined && (await sources.install())) found = await sources.binary()
  if (found === undefined) throw new Error(`no Redis server found: ${HOW_TO_GET_ONE}`)
  if (version !== undefined && !satisfies(found.version, version)) {
    throw new Error(
      `Redis ${version} was asked for, but ${found.program} is ${found.version ?? 'of unknown version'}` +
        ' and no Docker daemon could provide it',
    )
  }
  return found
}

/** '7.0.15' satisfies '7', '7.0' and '7.0.15'; 'valkey-8.1.0' satisfies 'valkey-8'. */
export function satisfies(actual: string | undefined, wanted: string): boolean {
  return actual !== undefined && (actual === wanted || actual.startsWith(`${wanted}.`))
}

function preference(value: string | undefined): 'docker' | 'binary' | undefined {
  if (value === undefined || value === '') return undefined
  if (value === 'docker' || value === 'binary') return value
  throw new TypeError(`CORRAL_TEST_REDIS must be 'docker' or 'binary', received '${value}'`)
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0] ?? text
}
