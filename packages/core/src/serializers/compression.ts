import { describeValue } from '@corral/connection'
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzipSync,
} from 'node:zlib'
import type { CompressionOptions } from './serializer.ts'

/** Options checked and completed. */
export interface Compression {
  readonly name: 'gzip' | 'brotli'
  readonly threshold: number
  compress(bytes: Uint8Array): Buffer
}

const KiB = 1024
const DEFAULT_MAX_OUTPUT = 16 * KiB * KiB

/**
 * @throws TypeError or RangeError naming option, rule and received value
 */
export function resolveCompression(options: CompressionOptions): Compression {
  const { algorithm = 'gzip', threshold = KiB } = options
  if (algorithm !== 'gzip' && algorithm !== 'brotli') {
    throw new TypeError(
      `compression.algorithm: must be 'gzip' or 'brotli', received ${describeValue(algorithm)}`,
    )
  }
  if (!Number.isInteger(threshold) || threshold < 64) {
    throw new RangeError(
      `compression.threshold: must be a whole number of at least 64, received ${describeValue(threshold)}`,
    )
  }
  maxOutputOf(options)
  return { name: algorithm, threshold, compress: compressors[algorithm] }
}

/** The bound on what decompressing may bring, in bytes. */
export function maxOutputOf(options: CompressionOptions | undefined): number {
  const most = options?.maxOutputBytes ?? DEFAULT_MAX_OUTPUT
  if (!Number.isInteger(most) || most < KiB) {
    throw new RangeError(
      `compression.maxOutputBytes: must be a whole number of at least 1024, received ${describeValue(most)}`,
    )
  }
  return most
}

// The fastest levels: a cache compresses on the way of a request, and most of the gain is there.
const compressors = {
  gzip: (bytes: Uint8Array): Buffer => gzipSync(bytes, { level: 1 }),
  brotli: (bytes: Uint8Array): Buffer =>
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
}

/**
 * Undoes a compression by its name.
 *
 * @throws for a name that is not known, for broken input, and for more output than `maxOutput`
 */
export function decompress(name: string, bytes: Uint8Array, maxOutput: number): Buffer {
  if (name === 'gzip') return gunzipSync(bytes, { maxOutputLength: maxOutput })
  if (name === 'brotli') return brotliDecompressSync(bytes, { maxOutputLength: maxOutput })
  throw new TypeError('not a compression that Corral writes')
}
