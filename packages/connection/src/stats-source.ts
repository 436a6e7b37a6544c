/**
 * Who counts. Compared by identity, never by name, so that two caches of one namespace in one
 * process keep their figures apart.
 */
export interface SourceId {
  readonly kind: 'cache' | 'locks' | 'connection'
  /** For people and labels: the namespace of a cache, say. Holds no secret. */
  readonly name: string
}

/**
 * Something that counts what it does. Reading costs whoever reads it; counting costs an addition,
 * also on the shortest path, the near hit.
 *
 * Every message that it publishes on a diagnostics channel carries the same object as `source`.
 */
export interface StatsSource<Counts extends object = object> {
  readonly source: SourceId
  /** Counts since it was made, which never go down; may be the live object, which its reader copies. */
  counts(): Readonly<Counts>
}
