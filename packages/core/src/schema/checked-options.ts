import type { GetOrSetOptions } from '../policy.ts'
import type { StandardSchema } from './standard-schema.ts'

/** Options of `getOrSet` with a `schema`, whose output the call then gives. */
export interface CheckedGetOrSetOptions<T, Output, Fallback = never> extends Omit<
  GetOrSetOptions<T>,
  'schema' | 'fallback'
> {
  /** Checked on what is read and on what is loaded; a stored value that fails is loaded anew. */
  readonly schema: StandardSchema<Output>
  /** Given instead of an error of the loader or a time-out, not checked and not stored; or a function that makes it. */
  readonly fallback?: Fallback | ((error: unknown) => Fallback)
}

/** What a schema makes of a loader's `T`. An `undefined` that was loaded is handed out unchecked. */
export type Checked<T, Output> = Output | (unknown extends T ? never : Extract<T, undefined>)
