import { decodeEntry, isDead, type Stamps } from '../../../src/protocol/index.ts'

/** What stands at a key, as seen by somebody who sees everything at once. */
export interface Sight {
  readonly type: 'none' | 'string' | 'list'
  readonly text: string
}

export class Violation extends Error {
  override name = 'Violation'
}

/**
 * The checker. Values are versions of the source, so "loaded before the invalidation" is a comparison.
 * `floor` is the lowest version that may be read: what the source held when the last completed
 * invalidation began.
 */
export interface Ledger {
  /** The source's present version of a key. */
  load(key: string): number
  change(key: string): number
  /** An invalidation of the key has completed. By stamp: it does not reach foreign entries. */
  invalidated(key: string, version: number, by: 'key' | 'stamp'): void
  /** A set was acknowledged: it must be readable until the writer's next word. */
  stored(key: string, version: number): void
  /** The writer is about to invalidate the key: from here it may be missing. */
  released(key: string): void
  leaseGranted(key: string, token: string, until: number, now: number): void
  /** Notices leases that are no more: filled, given back, broken, overwritten. */
  sawText(key: string, text: string): void
  listPlaced(key: string): void
  listReplaced(key: string): void
  /** Lowest version that may be read of an entry of ours, and of a foreign one. */
  floors(key: string): { readonly own: number; readonly foreign: number }
  /** Throws a Violation if what is seen breaks a promise. */
  check(key: string, sight: Sight, stamps: Stamps, skewUs: number): void
}

interface KeyState {
  version: number
  floor: number
  foreignFloor: number
  mustHold: number | undefined
  lease: { token: string; until: number } | undefined
  list: boolean
}

export function createLedger(): Ledger {
  const states = new Map<string, KeyState>()
  const state = (key: string): KeyState => {
    let found = states.get(key)
    if (!found) {
      found = {
        version: 1,
        floor: 0,
        foreignFloor: 0,
        mustHold: undefined,
        lease: undefined,
        list: false,
      }
      states.set(key, found)
    }
    return found
  }
  return {
    load: (key) => state(key).version,
    change: (key) => ++state(key).version,
    invalidated(key, version, by) {
      const it = state(key)
      it.floor = Math.max(it.floor, version)
      if (by === 'key') it.foreignFloor = Math.max(it.foreignFloor, version)
    },
    stored(key, version) {
      state(key).mustHold = version
    },
    released(key) {
      state(key).mustHold = undefined
    },
    leaseGranted(key, token, until, now) {
      const it = state(key)
      if (it.lease && it.lease.token !== token && now < it.lease.until) {
        throw new Violation(`two hold the lease of ${key}`)
      }
      it.lease = { token, until }
    },
    sawText(key, text) {
      const it = state(key)
      if (it.lease && !text.startsWith(`{"lease":"${it.lease.token}"`)) it.lease = undefined
    },
    listPlaced(key) {
      state(key).list = true
    },
    listReplaced(key) {
      state(key).list = false
    },
    floors: (key) => ({ own: state(key).floor, foreign: state(key).foreignFloor }),
    check(key, sight, stamps, skewUs) {
      const it = state(key)
      if (it.list && sight.type !== 'list') throw new Violation(`the list at ${key} is gone`)
      const version = readable(key, sight, stamps, skewUs, it)
      if (it.mustHold !== undefined && (version ?? 0) < it.mustHold) {
        throw new Violation(
          `${key}: set ${it.mustHold} was acknowledged, ${version ?? 'nothing'} is there`,
        )
      }
    },
  }
}

function readable(
  key: string,
  sight: Sight,
  stamps: Stamps,
  skewUs: number,
  it: KeyState,
): number | undefined {
  if (sight.type !== 'string') return undefined
  const decoded = decodeEntry(sight.text, key)
  if (decoded.kind === 'lease') return undefined
  if (decoded.kind !== 'entry') throw new Violation(`${decoded.kind} at ${key}: ${sight.text}`)
  if (isDead(decoded, stamps, skewUs)) return undefined
  const { v } = decoded.value as { v: number }
  const floor = decoded.loadedAt === undefined ? it.foreignFloor : it.floor
  if (v < floor) throw new Violation(`${key}: version ${v} is readable, invalidated below ${floor}`)
  return v
}
