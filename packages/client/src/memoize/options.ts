import { describeValue } from '@corral/connection'
import type { GetOrSetOptions } from '@corral/core'

/** How a function is memoized, and how its results live: everything that `getOrSet` takes. */
export interface MemoizeOptions<Args extends unknown[], This = unknown> extends Omit<
  GetOrSetOptions,
  'fallback' | 'filter' | 'signal' | 'forceFresh'
> {
  /**
   * First part of the keys: the same in all processes, and of this function alone.
   *
   * @defaultValue the function's own name
   */
  readonly name?: string
  /**
   * Makes the rest of the key. It has to tell apart what the result depends on, `this` included.
   *
   * @defaultValue made of all arguments, without `this`
   */
  readonly key?: (this: This, ...args: Args) => string
  /** Calls for which it returns true go to the function, past the cache. */
  readonly bypass?: (this: This, ...args: Args) => boolean
  /**
   * The user whose result it is: the client's `deleteUserCache` forgets it with the rest.
   *
   * @defaultValue what the client's `userOf` says
   */
  readonly userOf?: (this: This, ...args: Args) => string | number | undefined
}

export interface ResolvedMemoizeOptions<Args extends unknown[], This> {
  readonly name: string
  readonly key: ((this: This, ...args: Args) => string) | undefined
  readonly bypass: ((this: This, ...args: Args) => boolean) | undefined
  readonly userOf: ((this: This, ...args: Args) => string | number | undefined) | undefined
  readonly cache: GetOrSetOptions
}

const KNOWN: readonly string[] = Object.keys({
  name: true,
  key: true,
  bypass: true,
  userOf: true,
  ttl: true,
  jitter: true,
  staleWhileRevalidate: true,
  staleIfError: true,
  earlyRefresh: true,
  softTimeout: true,
  hardTimeout: true,
  lease: true,
  tags: true,
  schema: true,
} satisfies { readonly [Name in keyof Required<MemoizeOptions<never[]>>]: true })

/** @throws TypeError naming option, rule and received value */
export function resolveMemoizeOptions<Args extends unknown[], This>(
  fn: { readonly name: string },
  options: MemoizeOptions<Args, This>,
): ResolvedMemoizeOptions<Args, This> {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options: must be an object, received ${describeValue(options)}`)
  }
  for (const [option, value] of Object.entries(options)) {
    if (KNOWN.includes(option)) continue
    throw new TypeError(
      `${option}: is no option of memoize (${KNOWN.join(', ')}), received ${describeValue(value)}`,
    )
  }
  const { name = fn.name, key, bypass, userOf, ...cache } = options
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(
      `name: a function without a name of its own needs one, received ${describeValue(name)}`,
    )
  }
  for (const [option, value] of Object.entries({ key, bypass, userOf })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new TypeError(`${option}: must be a function, received ${describeValue(value)}`)
    }
  }
  return { name, key, bypass, userOf, cache }
}
