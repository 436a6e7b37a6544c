import { CorralError, unavailable } from '../errors.ts'
import { LATE } from '../script.ts'

/** What an error reply means for the guard, besides what the caller is told. */
export interface ReplyVerdict {
  readonly error: CorralError
  /**
   * - `link`: this server cannot serve anything now; counts against its breaker
   * - `write`: it takes no writes; opens the write side
   * - `late`: a script refused because its deadline had passed by the server's clock
   * - `none`: the call's own affair
   */
  readonly blame: 'link' | 'write' | 'late' | 'none'
}

const LINK = new Set([
  'LOADING',
  'CLUSTERDOWN',
  'MASTERDOWN',
  'BUSY',
  'TRYAGAIN',
  'NOAUTH',
  'WRONGPASS',
])
const WRITE = new Set(['READONLY', 'MISCONF', 'NOREPLICAS'])

/** Whether the server itself said it; anything else is the client giving up. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

/**
 * The first word of a Redis error, `OOM` or `WRONGTYPE`; the rest may quote arguments. Before 7.0 an
 * error inside a script came wrapped in one of the script.
 */
export function errorWord(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const wrapped = /^-?ERR Error running script .*?: -?([A-Z][A-Z0-9_]{2,}) /.exec(text)?.[1]
  return wrapped ?? /^-?([A-Z][A-Z0-9_]*)\b/.exec(text)?.[1] ?? 'ERR'
}

/**
 * Turns what Redis or ioredis said into Corral's own error. ioredis puts the command with all its
 * arguments on its errors, and some replies quote them, so nothing but the first word is kept.
 */
export function judgeReply(error: unknown, what: string): ReplyVerdict {
  if (!isReply(error)) return { blame: 'link', error: clientGaveUp(error, what) }
  const word = errorWord(error)
  const cause = new Error(word)
  if (word === LATE) {
    return {
      blame: 'late',
      error: unavailable('deadline', `${what}: Redis got it after its deadline and refused it`),
    }
  }
  if (word === 'OOM') {
    return {
      blame: 'write',
      error: new CorralError('REDIS_FULL', `${what}: Redis is at its maxmemory`, { cause }),
    }
  }
  if (WRITE.has(word)) {
    return {
      blame: 'write',
      error: unavailable('refused', `${what}: Redis takes no writes (${word})`, cause),
    }
  }
  if (LINK.has(word)) {
    return {
      blame: 'link',
      error: unavailable('refused', `${what}: Redis cannot serve (${word})`, cause),
    }
  }
  if (word === 'WRONGTYPE') {
    return {
      blame: 'none',
      error: new CorralError('WRONG_TYPE', `${what}: the key holds another type`, { cause }),
    }
  }
  return {
    blame: 'none',
    error: new CorralError('REDIS_REPLY', `${what}: Redis answered with the error ${word}`, {
      cause,
    }),
  }
}

/** ioredis rejects commands on its own when their connection died or its cluster routing gave up. */
function clientGaveUp(error: unknown, what: string): CorralError {
  const text = error instanceof Error ? error.message : ''
  return /^(no route|Too many Cluster redirections|Failed to refresh slots|None of startup nodes|Cluster i)/.test(
    text,
  )
    ? unavailable('refused', `${what}: the cluster found no node to serve it`)
    : unavailable('connection-lost', `${what}: the connection was lost`)
}

/** What may be told of a client's `error` event: its code or first word, never a URL or arguments. */
export function scrub(error: unknown): Error {
  const code = (error as { code?: unknown } | null)?.code
  const clean = new Error(typeof code === 'string' ? code : errorWord(error))
  clean.name = 'RedisError'
  return clean
}
