/** What was done, as numbers, so that a hundred thousand of them travel between processes. */
export const kinds = {
  /** Read by a cache with a near tier. */
  nearRead: 0,
  /** Read by `get` of a cache without one: every read asks Redis. */
  remoteRead: 1,
  /** `getOrSet` of a cache without a near tier: may share a load that began earlier. */
  sharedRead: 2,
  /** The text at the key, with no look at stamps. */
  rawRead: 3,
  /** Set, delete or pattern: the older text is gone from Redis. */
  removal: 4,
  /** Tag or namespace: the older text is dead, and may still stand in Redis. */
  stamping: 5,
  /** A removal by somebody who is no cache. */
  foreign: 6,
} as const
export type Kind = (typeof kinds)[keyof typeof kinds]

export interface Act {
  readonly kind: Kind
  readonly process: number
  readonly key: number
  /** What a read returned, or what an invalidation made the least that may be read. */
  readonly version: number
  /** Microseconds on the machine's clock. */
  readonly began: number
  readonly ended: number
}

const width = 5

export interface Recorder {
  add(kind: Kind, key: number, version: number, began: number, ended: number): void
  readonly count: number
  packed(): Float64Array
}

export function createRecorder(): Recorder {
  let room = new Float64Array(width * 1024)
  let used = 0
  return {
    add(kind, key, version, began, ended) {
      if (used === room.length) {
        const more = new Float64Array(room.length * 2)
        more.set(room)
        room = more
      }
      room.set([kind, key, version, began, ended], used)
      used += width
    },
    get count() {
      return used / width
    },
    packed: () => room.slice(0, used),
  }
}

export function* unpack(packed: Float64Array, process: number): Generator<Act> {
  for (let at = 0; at < packed.length; at += width) {
    const [kind, key, version, began, ended] = packed.subarray(at, at + width) as unknown as [
      Kind,
      number,
      number,
      number,
      number,
    ]
    yield { kind, process, key, version, began, ended }
  }
}
