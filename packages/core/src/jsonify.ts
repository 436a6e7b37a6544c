type Primitive = string | number | boolean | null | undefined
// oxlint-disable-next-line typescript/no-explicit-any -- the only way to match every signature
type Fn = (...args: any[]) => unknown

/**
 * What comes back of a `T` that went through JSON: a `Date` is a string, a `Map` an empty object,
 * methods are gone. Buffers survive; `unknown` and `any` stay what they are.
 */
export type Jsonify<T> = 0 extends 1 & T
  ? T
  : unknown extends T
    ? T
    : T extends Primitive | Buffer
      ? T
      : T extends Fn | symbol | bigint
        ? never
        : T extends { toJSON(): infer Json }
          ? Jsonify<Json>
          : T extends readonly unknown[]
            ? { [Index in keyof T]: JsonElement<T[Index]> }
            : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
              ? Record<string, never>
              : { [Key in keyof T as JsonKey<T, Key>]: Jsonify<T[Key]> }

/** Holes in arrays are `null` in JSON. */
type JsonElement<T> = undefined extends T ? Jsonify<Exclude<T, undefined>> | null : Jsonify<T>

type JsonKey<T, Key extends keyof T> = Key extends symbol
  ? never
  : T[Key] extends Fn | symbol
    ? never
    : Key
