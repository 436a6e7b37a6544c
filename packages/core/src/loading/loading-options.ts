import { describeValue, toShortMilliseconds, type Duration } from '@corral/connection'
import { cachePolicy, checkEntryTags, createResolveCall, type GetOrSetOptions } from '../policy.ts'

/** What a loader of a {@link LoadingCache} is given. */
export interface LoadingContext {
  /** Aborts when every caller that waits for the value has given up. */
  readonly signal: AbortSignal
}

/**
 * Brings the value of an id. It may also store it itself with `set(id, value)` of the cache that it
 * belongs to and return nothing: `get` then gives what was set.
 */
export type LoadById<T> = (
  id: string,
  context: LoadingContext,
) => T | undefined | void | Promise<T | undefined | void>

/** What `getOrSet` takes, apart from what a {@link LoadingCache} has in another form. */
type CallOptions = Omit<GetOrSetOptions, 'signal' | 'filter' | 'fallback' | 'forceFresh'>

/** Options of `cache.loading`: those of `getOrSet` for each of its calls, and its own. */
export interface LoadingOptions<T, Default = T> extends CallOptions {
  /**
   * What the keys of this kind begin with; a `:` is put behind it if there is none. Give each kind
   * its own: `clear()` removes all that begins with it.
   */
  readonly prefix: string
  /** Brings what is missing or has expired. */
  readonly load: LoadById<T>
  /**
   * What `get` does about an entry that is missing or has expired: `'load'` it, or leave it deleted.
   *
   * @defaultValue 'load'
   */
  readonly onExpiry?: 'load' | 'delete'
  /** What may be stored; what it refuses is handed out all the same. */
  readonly filter?: (value: T) => boolean
  /** Changes a value before it is stored, such as dropping a password. Applied before `filter`. */
  readonly transform?: (value: T) => T
  /** What `get` gives when there is no entry and loading failed or brought nothing. */
  readonly defaultValue?: Default
  /**
   * How long one try of a caller waits for another process that is loading the same id. Given here
   * or in `tries`, a caller whose tries are over gets `defaultValue` or an error instead of loading.
   *
   * @defaultValue '150ms' if `tries` is given
   */
  readonly grace?: Duration
  /** How often a caller waits for `grace`. 1 to 1 000. @defaultValue 3 if `grace` is given */
  readonly tries?: number
  /**
   * Ids with white space, braces, `%` or control characters: as the cache does, or each of them
   * becomes `_`, or what the function makes of an id.
   *
   * @defaultValue 'encode'
   */
  readonly sanitize?: 'encode' | 'replace' | ((id: string) => string)
  /** Told what is done, without values; `true` writes to `console.debug`. @defaultValue false */
  readonly verbose?: boolean | ((message: string) => void)
}

/** {@link LoadingOptions} with every default filled in and every rule checked. */
export interface ResolvedLoadingOptions<T> {
  /** Ends in `:`. */
  readonly prefix: string
  readonly load: LoadById<T>
  readonly deleteOnExpiry: boolean
  readonly filter: ((value: T) => boolean) | undefined
  readonly transform: ((value: T) => T) | undefined
  readonly hasDefault: boolean
  readonly defaultValue: T | undefined
  readonly sanitize: (id: string) => string
  readonly log: ((message: string) => void) | undefined
  /** What is left for `getOrSet`. */
  readonly calls: CallOptions
}

const unsafe = /[%{}\s\p{Cc}]/gu
const checkCall = createResolveCall(cachePolicy({}))
const same = (id: string): string => id

/**
 * Checks the options of `cache.loading`; runs once.
 *
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveLoadingOptions<T>(options: LoadingOptions<T>): ResolvedLoadingOptions<T> {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  const {
    prefix,
    load,
    onExpiry = 'load',
    filter,
    transform,
    defaultValue,
    grace,
    tries,
    sanitize = 'encode',
    verbose = false,
    ...calls
  } = options
  if (typeof prefix !== 'string' || prefix === '' || /[*?[\]\\]/.test(prefix)) {
    throw new TypeError(
      `prefix: must be a non-empty string without glob characters, received ${describeValue(prefix)}`,
    )
  }
  mustBeFunction('load', load)
  if (filter !== undefined) mustBeFunction('filter', filter)
  if (transform !== undefined) mustBeFunction('transform', transform)
  if (onExpiry !== 'load' && onExpiry !== 'delete') {
    throw new TypeError(`onExpiry: must be 'load' or 'delete', received ${describeValue(onExpiry)}`)
  }
  if (sanitize !== 'encode' && sanitize !== 'replace') mustBeFunction('sanitize', sanitize)
  if (typeof verbose !== 'boolean') mustBeFunction('verbose', verbose)
  const callOptions = {
    ...calls,
    ...(calls.tags !== undefined && { tags: checkEntryTags(calls.tags) }),
    ...waiting(grace, tries),
  }
  // Every call will be checked again, but a wrong option shall throw where it is written.
  checkCall(callOptions)
  return {
    prefix: prefix.endsWith(':') ? prefix : `${prefix}:`,
    load,
    deleteOnExpiry: onExpiry === 'delete',
    filter,
    transform,
    hasDefault: 'defaultValue' in options,
    defaultValue,
    sanitize: sanitizer(sanitize),
    // oxlint-disable-next-line no-console -- asked for by name
    log: verbose === true ? (message) => console.debug(message) : verbose || undefined,
    calls: callOptions,
  }
}

function sanitizer(sanitize: 'encode' | 'replace' | ((id: string) => string)): typeof same {
  if (typeof sanitize === 'function') return sanitize
  return sanitize === 'replace' ? (id) => id.replace(unsafe, '_') : same
}

function mustBeFunction(option: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new TypeError(`${option}: must be a function, received ${describeValue(value)}`)
}

/** Grace and tries as the waiting of a lease. */
function waiting(grace: Duration | undefined, tries: number | undefined): CallOptions {
  if (grace === undefined && tries === undefined) return {}
  const graceMs = toShortMilliseconds(grace ?? '150ms', 'grace')
  const attempts = tries ?? 3
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 1_000) {
    throw new RangeError(
      `tries: must be a whole number from 1 to 1000, received ${describeValue(tries)}`,
    )
  }
  return { lease: { wait: graceMs / 1_000, attempts, onTimeout: 'throw' } }
}
