export { createKeyv, type CreateKeyvOptions } from './create-keyv.ts'
export {
  createKeyvStore,
  type ErrorListener,
  type KeyvStore,
  type KeyvStoreEntry,
} from './keyv-store.ts'
export type { KeyvNearOptions, KeyvStoreOptions } from './options.ts'
