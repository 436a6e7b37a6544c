import { Packr } from 'msgpackr'
import type { Serializer } from './serializer.ts'

/**
 * MessagePack by msgpackr: Date, Map, Set, BigInt and Buffer come back as they were. Entries can be
 * read by caches that have this serializer; Keyv and caches without it see a miss.
 *
 * @example
 * ```ts
 * import { createCache } from '@corral/core'
 * import { msgpack } from '@corral/core/msgpack'
 *
 * const cache = createCache({ namespace: 'shop:v1', serializer: msgpack() })
 * await cache.set('since', new Date())
 * const since = await cache.get<Date>('since') // a Date
 * await cache.close()
 * ```
 */
export function msgpack(): Serializer {
  const packr = new Packr({ moreTypes: true, useBigIntExtension: true, copyBuffers: true })
  return {
    name: 'msgpack',
    encode: (value) => packr.pack(value),
    decode: (bytes) => packr.unpack(bytes) as unknown,
  }
}
