import type { Connection, Signals, SignalState } from '@corral/connection'
import { DEEP_PREFIX, STAMP_PREFIX } from './stamp-keys.ts'

/** What a stamp book is told by its office. */
export interface StampListener {
  /** Somebody moved or lost this stamp; its value is not known. */
  changed(key: string): void
  /** An invalidation of this process moved it to at least `stamp`. */
  moved(key: string, stamp: number): void
  /** Nothing that was learnt before can be trusted. */
  flush(): void
  /** Whether or which copies count changed in another way. */
  touched(): void
}

/**
 * What all stamp books of one connection share: one watch on each prefix however many caches there
 * are, what this process has stamped itself, and which invalidations are not acknowledged yet. Two
 * caches of one process so never disagree about an invalidation that one of them made.
 */
export interface StampOffice {
  /** Every change of a stamp is told, so copies may be kept. */
  readonly coherent: boolean
  /** Registers for some keys exactly, and for all below `prefix`. Watching begins with {@link watch}. */
  join(keys: readonly string[], prefix: string, listener: StampListener): () => void
  /** Begins to listen to Redis; it goes on until the last book has left. */
  watch(): void
  /** An invalidation of this process was acknowledged. */
  tell(key: string, stamp: number): void
  /** Numbers an attempt to stamp. */
  attempt(): number
  /** The attempt was not acknowledged: what the stamps would kill is dead here until one succeeds. */
  hold(keys: readonly string[], attempt: number): void
  /** An attempt was acknowledged, and so were all before it. */
  release(keys: readonly string[], attempt: number): void
  /** How many stamps are held. */
  readonly held: number
  holds(key: string): boolean
}

const offices = new WeakMap<Signals, StampOffice>()

/** The office of a connection; all handles of one client have the same. */
export function stampOffice(connection: Connection): StampOffice {
  const { signals } = connection
  let office = offices.get(signals)
  if (office === undefined) {
    office = createStampOffice(signals)
    offices.set(signals, office)
  }
  return office
}

interface Member {
  readonly keys: ReadonlySet<string>
  readonly prefix: string
  readonly listener: StampListener
}

function createStampOffice(signals: Signals): StampOffice {
  const byKey = new Map<string, Set<Member>>()
  const byPrefix = new Map<string, Set<Member>>()
  const members = new Set<Member>()
  const held = new Map<string, number>()
  const states: Record<string, SignalState> = {}
  let stop: (() => void) | undefined
  let coherent = false
  let attempts = 0

  function membersOf(key: string): Iterable<Member> {
    const exact = byKey.get(key)
    if (exact !== undefined) return exact
    // `corral:stamp:{<namespace>}:<tag>`; a namespace holds no brace.
    const end = key.indexOf('}:')
    return (end < 0 ? undefined : byPrefix.get(key.slice(0, end + 2))) ?? []
  }

  function flush(): void {
    for (const { listener } of members) listener.flush()
  }

  function onState(prefix: string, state: SignalState): void {
    states[prefix] = state
    const now = states[STAMP_PREFIX] === 'on' && states[DEEP_PREFIX] === 'on'
    if (now === coherent) return
    coherent = now
    flush()
  }

  function watchPrefix(prefix: string): () => void {
    return signals.watch(prefix, {
      keys(keys) {
        for (const key of keys) for (const { listener } of membersOf(key)) listener.changed(key)
      },
      flush,
      state: (state) => onState(prefix, state),
    })
  }

  function watch(): void {
    if (stop !== undefined || members.size === 0) return
    const ends = [watchPrefix(STAMP_PREFIX), watchPrefix(DEEP_PREFIX)]
    stop = () => {
      stop = undefined
      coherent = false
      for (const end of ends) end()
      for (const prefix of Object.keys(states)) delete states[prefix]
    }
  }

  function enter(index: Map<string, Set<Member>>, name: string, member: Member): void {
    const group = index.get(name)
    if (group === undefined) index.set(name, new Set([member]))
    else group.add(member)
  }

  function leave(index: Map<string, Set<Member>>, name: string, member: Member): void {
    const group = index.get(name)
    if (group?.delete(member) === true && group.size === 0) index.delete(name)
  }

  function touch(): void {
    for (const { listener } of members) listener.touched()
  }

  return {
    get coherent() {
      return coherent
    },
    join(keys, prefix, listener) {
      const member: Member = { keys: new Set(keys), prefix, listener }
      members.add(member)
      for (const key of member.keys) enter(byKey, key, member)
      enter(byPrefix, prefix, member)
      return () => {
        if (!members.delete(member)) return
        for (const key of member.keys) leave(byKey, key, member)
        leave(byPrefix, prefix, member)
        if (members.size === 0) stop?.()
      }
    },
    watch,
    tell(key, stamp) {
      for (const { listener } of membersOf(key)) listener.moved(key, stamp)
    },
    attempt: () => ++attempts,
    hold(keys, attempt) {
      for (const key of keys) held.set(key, Math.max(attempt, held.get(key) ?? 0))
      touch()
    },
    release(keys, attempt) {
      let changed = false
      for (const key of keys) {
        if ((held.get(key) ?? Infinity) <= attempt) changed = held.delete(key) || changed
      }
      if (changed) touch()
    },
    get held() {
      return held.size
    },
    holds: (key) => held.has(key),
  }
}
