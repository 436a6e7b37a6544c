import { parseJson, stringifyValue } from '../protocol/keyv-json.ts'
import { type Compression, decompress, maxOutputOf, resolveCompression } from './compression.ts'
import type { CompressionOptions, Serializer } from './serializer.ts'

/** A value that does not stand in its entry as plain JSON. */
export interface Encoded {
  /** The serializer and the compression, joined by `+`: `msgpack`, `json+gzip`. */
  readonly codec: string
  /** Base64. */
  readonly data: string
}

/** How values stand in entries. */
export interface Codec {
  /** Undefined when the value should stand as plain JSON. */
  encode(value: unknown): Encoded | undefined
  /** The value, or undefined when this cache cannot read it: a miss. Never throws. */
  decode(encoded: Encoded): unknown
}

const PLAIN = 'json'

/** Undefined when both are left out: plain JSON needs no codec. Reading never depends on writing. */
export function createCodec(
  serializer: Serializer | undefined,
  options: CompressionOptions | undefined,
): Codec {
  const compression = options === undefined ? undefined : resolveCompression(options)
  const maxOutput = maxOutputOf(options)

  function decode({ codec, data }: Encoded): unknown {
    const [name, squeezed] = codec.split('+') as [string, string?]
    try {
      const stored = Buffer.from(data, 'base64')
      const bytes = squeezed === undefined ? stored : decompress(squeezed, stored, maxOutput)
      if (name === PLAIN) return parseJson(bytes.toString())
      return name === serializer?.name ? serializer.decode(bytes) : undefined
    } catch {
      return undefined
    }
  }

  if (serializer === undefined && compression === undefined)
    return { encode: () => undefined, decode }
  return { encode: (value) => encode(value, serializer, compression), decode }
}

function encode(
  value: unknown,
  serializer: Serializer | undefined,
  compression: Compression | undefined,
): Encoded | undefined {
  const json = serializer === undefined ? stringifyValue(value) : undefined
  if (serializer === undefined && json === undefined) return undefined
  const bytes = serializer?.encode(value) ?? Buffer.from(json as string)
  const name = serializer?.name ?? PLAIN
  const small = compression === undefined || bytes.length < compression.threshold
  if (small) return serializer === undefined ? undefined : { codec: name, data: base64(bytes) }
  return {
    codec: `${name}+${compression.name}`,
    data: compression.compress(bytes).toString('base64'),
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
