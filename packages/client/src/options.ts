import { describeValue } from '@corral/connection'
import type { Cache } from '@corral/core'
import type { SessionsOptions } from './sessions/options.ts'
import { type UserOf, userOfKey } from './users/user-cache.ts'

/** What a client is made of. */
export interface CacheClientOptions {
  /** Its entries are the cache's; limits, sessions and flags lie on its connection beside them. */
  readonly cache: Cache
  /** How sessions live. @defaultValue unused for a day, 30 days at most */
  readonly sessions?: SessionsOptions
  /**
   * Whose a memoized key is, so that `deleteUserCache` forgets it too; `true` for keys of the form
   * `<what>:<user id>` and memoized functions of a user's id alone. For others `memoize(fn, { userOf })`
   * goes by the arguments. @defaultValue nobody's
   */
  readonly userOf?: true | ((key: string) => string | number | undefined)
}

export interface ResolvedClientOptions {
  readonly cache: Cache
  readonly sessions: SessionsOptions
  readonly userOf: UserOf | undefined
}

const KNOWN: readonly string[] = [
  'cache',
  'sessions',
  'userOf',
] satisfies (keyof CacheClientOptions)[]

/** @throws TypeError naming option, rule and received value */
export function resolveClientOptions(options: CacheClientOptions): ResolvedClientOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      throw new TypeError(`${name}: is no option of createCacheClient (${KNOWN.join(', ')})`)
    }
  }
  const { cache, sessions = {}, userOf } = options
  if (typeof (cache as Cache | undefined)?.getOrSet !== 'function') {
    throw new TypeError(`cache: must be one of createCache, received ${describeValue(cache)}`)
  }
  return { cache, sessions, userOf: resolveUserOf(userOf) }
}

/** @throws TypeError naming option, rule and received value */
export function resolveUserOf(userOf: CacheClientOptions['userOf']): UserOf | undefined {
  if (userOf === undefined || typeof userOf === 'function') return userOf
  if (typeof userOf === 'boolean' && userOf) return userOfKey
  throw new TypeError(`userOf: must be true or a function, received ${describeValue(userOf)}`)
}
