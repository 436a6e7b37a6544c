import { describeValue } from '@corral/connection'
import type {
  Cache,
  Checked,
  CheckedGetOrSetOptions,
  GetOrSetOptions,
  Jsonify,
  StandardSchema,
  Ttl,
} from '@corral/core'
import { type UserOf, userTag } from '../users/user-cache.ts'
import { argumentKey } from './argument-key.ts'
import { type MemoizeOptions, resolveMemoizeOptions } from './options.ts'

/**
 * A function whose results are kept. It gives what the cache gives: the copy that JSON brings back, or
 * what a `schema` makes of that.
 */
export interface Memoized<
  Args extends unknown[],
  Result,
  This = unknown,
  Output = Jsonify<Awaited<Result>>,
> {
  (this: This, ...args: Args): Promise<Output>
  /** Calls the function whatever is there, and keeps what it returns. */
  fresh(this: unknown, ...args: Args): Promise<Output>
  /** Forgets the result for these arguments; as `cache.delete`. */
  invalidate(this: unknown, ...args: Args): Promise<boolean>
  /** The cache key for these arguments. */
  keyFor(this: unknown, ...args: Args): string
}

/** Both forms of `memoize`. */
export interface Memoize {
  /** With a `schema`: what that makes of the value, or the `fallback` as it is. */
  <T, Output, Fallback = never>(
    key: string,
    fn: () => T | Promise<T>,
    options: CheckedGetOrSetOptions<NoInfer<T>, Output, Fallback>,
  ): Promise<Checked<T, Output> | Fallback>
  /**
   * The value at `key`, or what `fn` brings, which is then kept: `getOrSet` by another name.
   *
   * @param options how long, or `getOrSet`'s options; `forceFresh` calls `fn` whatever is there
   */
  <T>(
    key: string,
    fn: () => T | Promise<T>,
    options?: Ttl | GetOrSetOptions<NoInfer<T>>,
  ): Promise<Jsonify<T>>
  /** With a `schema`: a function that gives what that makes of the results. */
  <Fn extends (this: never, ...args: never[]) => unknown, Output>(
    fn: Fn,
    options: MemoizeOptions<Parameters<Fn>, ThisOf<Fn>> & {
      readonly schema: StandardSchema<Output>
      readonly bypass?: undefined
    },
  ): Memoized<Parameters<Fn>, ReturnType<Fn>, ThisOf<Fn>, Checked<Awaited<ReturnType<Fn>>, Output>>
  /** A function that keeps the results of `fn` by its arguments. What it throws is not kept. */
  <Fn extends (this: never, ...args: never[]) => unknown>(
    fn: Fn,
    options?: Ttl | MemoizeOptions<Parameters<Fn>, ThisOf<Fn>>,
  ): Memoized<Parameters<Fn>, ReturnType<Fn>, ThisOf<Fn>>
}

/**
 * What the function wants as `this`. One that has a default for a parameter, and so takes its types
 * from the constraint above, is told `never` there: it wants nothing.
 */
type ThisOf<Fn> = [ThisParameterType<Fn>] extends [never] ? unknown : ThisParameterType<Fn>

/**
 * @param cacheOf asked at each call, and not before
 * @param userOf whose a result is, unless a memoized function says it itself
 */
export function createMemoize(cacheOf: () => Cache, userOf?: UserOf): Memoize {
  function load<T>(
    key: string,
    fn: () => T | Promise<T>,
    options: object,
    user: string | number | undefined,
  ): Promise<Jsonify<T>> {
    const { tags = [] } = options as GetOrSetOptions
    const all = user === undefined ? options : { ...options, tags: [...tags, userTag(user)] }
    return cacheOf().getOrSet<T>(key, () => fn(), all)
  }

  function wrap<Args extends unknown[], Result, This>(
    fn: (this: This, ...args: Args) => Result,
    options: MemoizeOptions<Args, This>,
  ): Memoized<Args, Result, This> {
    const { name, key, bypass, userOf: ownUserOf, cache: how } = resolveMemoizeOptions(fn, options)

    function keyFor(this: unknown, ...args: Args): string {
      const rest = key === undefined ? argumentKey(args) : key.apply(this as This, args)
      return `${name}:${rest}`
    }

    function call(
      self: unknown,
      args: Args,
      forceFresh: boolean,
    ): Promise<Jsonify<Awaited<Result>>> {
      const run = (): Awaited<Result> | Promise<Awaited<Result>> =>
        fn.apply(self as This, args) as Awaited<Result>
      const cacheKey = keyFor.apply(self, args)
      const user =
        ownUserOf === undefined
          ? userOf?.(cacheKey, key === undefined ? args : undefined)
          : ownUserOf.apply(self as This, args)
      return load(cacheKey, run, forceFresh ? { ...how, forceFresh } : how, user)
    }

    async function memoized(this: This, ...args: Args): Promise<Jsonify<Awaited<Result>>> {
      if (bypass?.apply(this, args) === true) {
        return (await fn.apply(this, args)) as Jsonify<Awaited<Result>>
      }
      return call(this, args, false)
    }
    return Object.assign(memoized, {
      async fresh(this: unknown, ...args: Args) {
        return call(this === memoized ? undefined : this, args, true)
      },
      async invalidate(this: unknown, ...args: Args) {
        return cacheOf().delete(keyFor.apply(this === memoized ? undefined : this, args))
      },
      keyFor(this: unknown, ...args: Args) {
        return keyFor.apply(this === memoized ? undefined : this, args)
      },
    })
  }

  return ((first: unknown, second?: unknown, third?: unknown): unknown => {
    if (typeof first === 'function') {
      const fn = first as (...args: unknown[]) => unknown
      return wrap(
        fn,
        isTtl(second) ? { ttl: second } : ((second ?? {}) as MemoizeOptions<unknown[]>),
      )
    }
    if (typeof first !== 'string') {
      throw new TypeError(`key: must be a string, received ${describeValue(first)}`)
    }
    if (typeof second !== 'function') {
      throw new TypeError(`fn: must be a function, received ${describeValue(second)}`)
    }
    const options = isTtl(third) ? { ttl: third } : ((third ?? {}) as GetOrSetOptions)
    return load(first, second as () => unknown, options, userOf?.(first))
  }) as Memoize
}

function isTtl(value: unknown): value is Ttl {
  return typeof value === 'string' || typeof value === 'number'
}
