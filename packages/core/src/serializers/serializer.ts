/**
 * Turns values into bytes and back. `json` is built in; others are handed to `createCache`.
 */
export interface Serializer {
  /** Goes into the entry; a reader without this serializer sees a miss. */
  readonly name: string
  /** @throws when the value cannot be written */
  encode(value: unknown): Uint8Array
  /** @throws when the bytes are none of its own */
  decode(bytes: Uint8Array): unknown
}

/** When and how large values are made smaller. */
export interface CompressionOptions {
  /** `'gzip'` is faster, `'brotli'` smaller. @defaultValue 'gzip' */
  readonly algorithm?: 'gzip' | 'brotli'
  /** Bytes from which on a value is compressed. 64 or more. @defaultValue 1024 */
  readonly threshold?: number
  /**
   * Most bytes that decompressing may bring; what is larger is refused, and so reads as a miss.
   *
   * @defaultValue 16 MiB
   */
  readonly maxOutputBytes?: number
}
