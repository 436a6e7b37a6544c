import { toMilliseconds, toShortMilliseconds, type Duration } from '@corral/connection'

/** Everything that can be set from outside, already checked. */
export interface ServiceConfig {
  readonly environment: 'development' | 'test' | 'production'
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly logLevel: string
  /** May hold a password: never log it. */
  readonly redisUrl: string
  /** Secret that mutating requests carry in `x-api-key`. */
  readonly apiKey: string
  /** BullMQ's key prefix. */
  readonly queuePrefix: string
  readonly queueName: string
  /** Jobs that run at once. */
  readonly workerConcurrency: number
  readonly cacheNamespace: string
  readonly cacheTtlMs: number
  /** How long "there is no such user" is remembered. */
  readonly cacheNegativeTtlMs: number
  /** How long after its time a value is still served while it is loaded anew behind; 0: not at all. */
  readonly cacheStaleMs: number
  /** Most copies that this process keeps of what it read; 0: none. */
  readonly cacheNearEntries: number
  /** Whether `cache-control: no-store` on a request goes past the cache. */
  readonly cacheBypass: boolean
  /** How long a session lives without being used, and at most. */
  readonly sessionTtlMs: number
  readonly sessionAbsoluteTtlMs: number
  /** How long a token lives: at most as long as a revocation is remembered. */
  readonly tokenTtlMs: number
  /** Logins of one user in a minute. */
  readonly loginLimit: number
  /** Requests about sessions from one address in a minute. */
  readonly sessionLimit: number
  /** Requests of one user with a token in a minute. */
  readonly userLimit: number
  /** How often the figures are logged. */
  readonly metricsLogEveryMs: number
  /** Rows of the embedded database. */
  readonly databaseUsers: number
  /** How long each query takes on top of its own work: the distance to a real database. */
  readonly databaseLatencyMs: number
  /** Queries that run at once. */
  readonly databasePool: number
  /** Largest request body in bytes. */
  readonly bodyLimit: number
  /** How long stopping may take before it is forced. */
  readonly shutdownTimeoutMs: number
}

/** One or more variables are unusable; the message lists every one, without any secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`Bad configuration:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'log', 'debug', 'trace', 'silent']

/**
 * Reads the service's configuration. `.env.example` explains each variable.
 *
 * @throws ConfigError listing every bad variable at once
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ServiceConfig {
  const problems: string[] = []

  function read<T>(
    name: string,
    fallback: string | undefined,
    parse: (text: string, name: string) => T,
  ): T {
    const text = env[name]?.trim() || fallback
    try {
      if (text === undefined) throw new TypeError('is required')
      return parse(text, name)
    } catch (error) {
      const { message } = error as Error
      problems.push(message.startsWith(name) ? message : `${name}: ${message}`)
      // Never seen: a single problem makes readConfig throw below.
      return undefined as T
    }
  }

  const environment = read('NODE_ENV', 'development', oneOf('development', 'test', 'production'))
  const config: ServiceConfig = {
    environment,
    host: read('HOST', environment === 'production' ? '0.0.0.0' : '127.0.0.1', text(/^[\w.:-]+$/)),
    port: read('PORT', '3000', integer(0, 65_535)),
    logLevel: read('LOG_LEVEL', 'info', logLevel),
    redisUrl: read('REDIS_URL', 'redis://localhost:6379', redisUrl),
    apiKey: read('API_KEY', undefined, secret),
    queuePrefix: read('BULLMQ_PREFIX', 'bull', text(/^[\w{}:-]{1,64}$/)),
    queueName: read('QUEUE_NAME', 'service', text(/^[\w-]{1,64}$/)),
    workerConcurrency: read('WORKER_CONCURRENCY', '5', integer(1, 100)),
    cacheNamespace: read(
      'CACHE_NAMESPACE',
      'service:v1',
      text(/^(?!bull$|.{41})[\w-]+(:[\w-]+)*$/),
    ),
    cacheTtlMs: read('CACHE_TTL', '5m', duration),
    cacheNegativeTtlMs: read('CACHE_NEGATIVE_TTL', '10s', duration),
    cacheStaleMs: read('CACHE_STALE_WHILE_REVALIDATE', '30s', (value, name) =>
      toMilliseconds(value as Duration, name),
    ),
    cacheNearEntries: read('CACHE_NEAR_ENTRIES', '10000', integer(0, 1_000_000)),
    cacheBypass: read('CACHE_BYPASS', 'false', oneOf('true', 'false')) === 'true',
    sessionTtlMs: read('SESSION_TTL', '1d', duration),
    sessionAbsoluteTtlMs: read('SESSION_ABSOLUTE_TTL', '30d', duration),
    tokenTtlMs: read('TOKEN_TTL', '30d', durationIn('1s', '30d')),
    loginLimit: read('LOGIN_LIMIT', '10', integer(1, 100_000)),
    sessionLimit: read('SESSION_LIMIT', '120', integer(1, 1_000_000)),
    userLimit: read('USER_LIMIT', '600', integer(1, 1_000_000)),
    metricsLogEveryMs: read('METRICS_LOG_EVERY', '1m', durationIn('1s', '1d')),
    databaseUsers: read('DATABASE_USERS', '5000', integer(1, 100_000)),
    databaseLatencyMs: read('DATABASE_LATENCY', '30ms', shortDuration),
    databasePool: read('DATABASE_POOL', '20', integer(1, 1000)),
    bodyLimit: read('BODY_LIMIT', '65536', integer(1024, 10_485_760)),
    shutdownTimeoutMs: read('SHUTDOWN_TIMEOUT', '10s', shortDuration),
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

function oneOf<const T extends string>(...choices: readonly T[]): (value: string) => T {
  return (value) => {
    const choice = choices.find((candidate) => candidate === value)
    if (choice === undefined) {
      throw new TypeError(`must be one of ${choices.join(', ')}, received ${JSON.stringify(value)}`)
    }
    return choice
  }
}

function integer(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (!(number >= lowest && number <= highest)) {
      throw new TypeError(
        `must be a whole number from ${lowest} to ${highest}, received ${JSON.stringify(value)}`,
      )
    }
    return number
  }
}

function text(pattern: RegExp): (value: string) => string {
  return (value) => {
    if (!pattern.test(value)) {
      throw new TypeError(`must match ${pattern.source}, received ${JSON.stringify(value)}`)
    }
    return value
  }
}

function logLevel(value: string): string {
  const level = oneOf(...LOG_LEVELS)(value)
  // The seed's name for what pino calls info.
  return level === 'log' ? 'info' : level
}

function duration(value: string, name: string): number {
  const milliseconds = toMilliseconds(value as Duration, name)
  if (milliseconds === 0) throw new TypeError('must be longer than nothing')
  return milliseconds
}

function durationIn(lowest: Duration, highest: Duration): (value: string, name: string) => number {
  return (value, name) => {
    const milliseconds = duration(value, name)
    if (
      milliseconds < toMilliseconds(lowest, name) ||
      milliseconds > toMilliseconds(highest, name)
    ) {
      throw new TypeError(`must be from ${lowest} to ${highest}, received ${JSON.stringify(value)}`)
    }
    return milliseconds
  }
}

function shortDuration(value: string, name: string): number {
  return toShortMilliseconds(value as Duration, name)
}

// Neither of these two repeats what it was given: both may be secrets.
function redisUrl(value: string): string {
  let url: URL
  try {
    url = new URL(value)
  } catch {
    throw new TypeError('must be a URL such as redis://localhost:6379')
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new TypeError('must begin with redis:// or rediss://')
  }
  if (url.hostname === '') throw new TypeError('must name a host')
  return value
}

function secret(value: string): string {
  if (!/^[\x21-\x7e]{16,512}$/.test(value)) {
    throw new TypeError('must be 16 to 512 printable characters without spaces')
  }
  return value
}
