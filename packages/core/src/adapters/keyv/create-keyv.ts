import { Keyv } from 'keyv'
import { createKeyvStore } from './keyv-store.ts'
import type { KeyvStoreOptions } from './options.ts'

/** Options of {@link createKeyv}: those of the store, with a namespace. */
export interface CreateKeyvOptions extends KeyvStoreOptions {
  readonly namespace: string
}

/**
 * A Keyv on a borrowed connection, laid out as `createKeyv` of `@keyv/redis` 5 lays its keys out:
 * `<namespace>::<key>`, where a Corral cache of that namespace finds them too.
 *
 * @throws TypeError or RangeError naming the option, its rule and what was received
 */
export function createKeyv(options: CreateKeyvOptions): Keyv {
  if (options?.namespace === undefined) {
    throw new TypeError('namespace: must be a non-empty string, received undefined')
  }
  const store = createKeyvStore(options)
  const { ttl } = options
  // The ttl goes to Keyv too, so that the end stands in the entry as well.
  return new Keyv({
    store,
    namespace: options.namespace,
    useKeyPrefix: false,
    ...(ttl !== undefined && { ttl }),
  })
}
