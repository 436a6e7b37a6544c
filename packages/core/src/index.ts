export { createCache, type Cache } from './cache.ts'
export type { IncrementOptions } from './counters/counting.ts'
export { defineKeys, type KeyBuilder, type KeyBuilders, type KeyPart } from './define-keys.ts'
export type { LoadedMany, LoadMany, LoadManyContext } from './engine/get-or-set-many.ts'
export type { ClearOptions } from './engine/invalidating.ts'
export type { Load, LoadContext } from './engine/load.ts'
export type { SetEntry } from './engine/writes.ts'
export type { MissReason } from './entry/read-entry.ts'
export type { Ttl } from './entry/ttl.ts'
export { coreCodes, type CoreCode } from './errors.ts'
export type { Jsonify } from './jsonify.ts'
export type { LoadingCache } from './loading/loading-cache.ts'
export type { LoadById, LoadingContext, LoadingOptions } from './loading/loading-options.ts'
export type { NearCopy } from './near/near-tier.ts'
export type {
  CacheOptions,
  ChildOptions,
  NearOptions,
  OnError,
  OutageBufferOptions,
} from './options.ts'
export type { GetOrSetOptions, LeaseOptions, PolicyOptions, SetOptions } from './policy.ts'
export type { Checked, CheckedGetOrSetOptions } from './schema/checked-options.ts'
export type { StandardSchema } from './schema/standard-schema.ts'
export type { CompressionOptions, Serializer } from './serializers/serializer.ts'
export type { CacheStats } from './stats.ts'
export type { CachedHash } from './structures/hash.ts'
export type { CachedList } from './structures/list.ts'
export type { CachedSet } from './structures/set.ts'
export type { StructureOptions } from './structures/structure-access.ts'
export type { CoreEvents } from './trace.ts'
export { TTL } from './ttl-constants.ts'
export type { WarmEntries, WarmEntry, WarmOptions, WarmProgress, WarmResult } from './warm/warm.ts'
export { CorralError, isCorralError, type Duration } from '@corral/connection'
