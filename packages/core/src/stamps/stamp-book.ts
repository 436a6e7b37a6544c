import { isCorralError, type Connection, type CorralError } from '@corral/connection'
import { seenStamps, stampKills } from '../protocol/liveness.ts'
import { MAX_KEYS } from '../protocol/script.ts'
import { stampArgs, stampScript } from '../protocol/stamp-script.ts'
import { createStampCopies, createStampCopy, type StampCopy } from './stamp-copies.ts'
import { baseStampKeys, deepStampKey, stampKeyOfTag } from './stamp-keys.ts'
import { stampOffice } from './stamp-office.ts'
import { createStampReader } from './stamp-reader.ts'

/** What of an entry decides whether a stamp kills it. */
export interface Stampable {
  readonly loadedAt: number | undefined
  readonly tags: readonly string[]
  readonly seen: readonly number[]
}

export type Verdict = 'alive' | 'dead' | 'unknown'

/** A plain field of a plain object, as every near hit looks at it: a getter took a fifth of its time. */
export interface Epoch {
  /** Changes whenever a verdict could; an entry found alive stays so while it does not. */
  readonly version: number
}

/** Knows which entries of one namespace an invalidation has killed. */
export interface StampBook {
  /** Judges by what is known here; `'unknown'`: {@link learn} the entry's tags, then ask again. */
  verdict(entry: Stampable): Verdict
  /**
   * Whether the namespace's own stamps are kept by signals, so that a call need not ask for them. What
   * was read for calls of this turn may be too old for one that begins now: a turn of the event loop
   * has room for several answers.
   */
  readonly baseKnown: boolean
  /** The latest of them as far as they are known, µs; 0 if there is none. */
  readonly base: number
  readonly epoch: Epoch
  /**
   * Asks for the namespace's own stamps, in the same MGET as the entries that are asked for in the
   * same tick (standalone). Until the next turn of the event loop {@link verdict} then knows them;
   * for longer while signals are on. Rejects when Redis does not answer.
   */
  learnBase(): Promise<void>
  /** As {@link learnBase}, with the stamps of some tags. */
  learn(tags: readonly string[]): Promise<void>
  /** The stamps known now, for an entry whose load or set begins now; undefined if all are old. */
  seen(tags: readonly string[]): readonly number[] | undefined
  /** Notes how long an entry of this namespace lives: stamps of tags live longer. */
  noteTtl(ttlMs: number): void
  /**
   * Kills everything with one of the tags that was loaded before now. False: not acknowledged, and
   * until a later call is, such entries are dead in this process whatever their age.
   */
  invalidateTags(tags: readonly string[]): Promise<boolean>
  /** Kills everything in the namespace, with `deep` below it too. The stamp; undefined as `false` above. */
  stampNamespace(options?: { readonly deep?: boolean }): Promise<number | undefined>
  /**
   * Treats the namespace (with `deep` what is below it too) as cleared until {@link stampNamespace}
   * is acknowledged.
   */
  holdNamespace(deep: boolean): void
  /** As {@link holdNamespace}, for everything with one of the tags. */
  holdTags(tags: readonly string[]): void
  /** What the last call that was not acknowledged failed with. */
  readonly lastError: CorralError | undefined
  close(): void
}

export interface StampBookDeps {
  readonly connection: Connection
  readonly namespace: string
  /** What two servers' clocks, or a server's and ours, may differ. @defaultValue 250 */
  readonly clockSkewMs?: number
  /** Longest ttl that the cache's options name; more may be noted later. */
  readonly ttlMs: number
  /** Most tags whose stamps are kept in memory. @defaultValue 10_000 */
  readonly maxTags?: number
}

/** Tags' stamps live at least this long: other processes' entries may live longer than ours. */
const SHORTEST_STAMP_MS = 24 * 3_600_000
/** Beyond the entry's own end, for clocks and for entries on their way. */
const STAMP_MARGIN_MS = 60_000
const KNOWN: Promise<void> = Promise.resolve()

export function createStampBook(deps: StampBookDeps): StampBook {
  const { connection, namespace, clockSkewMs = 250, maxTags = 10_000 } = deps
  const { clock } = connection
  const office = stampOffice(connection)
  const baseKeys = baseStampKeys(namespace)
  const [ownKey] = baseKeys as [string]
  const tagPrefix = stampKeyOfTag(namespace, '')
  const base = baseKeys.map(createStampCopy)
  const tagCopies = createStampCopies(maxTags)
  const held = new Set<string>()
  const reader = createStampReader(connection, office, base, changed)
  let longestTtlMs = deps.ttlMs
  const epoch = { version: 0 }
  let baseStamp = 0
  /** For those who asked. */
  let baseKnown = false
  /** For everybody. */
  let baseKept = false
  let baseHeld = false
  let askedBase: Promise<void> | undefined
  let lastError: CorralError | undefined

  function changed(): void {
    epoch.version++
    let stamp = 0
    let known = true
    let kept = true
    for (const copy of base) {
      if (copy.value > stamp) stamp = copy.value
      if (!reader.isKnown(copy)) known = false
      if (!copy.fresh) kept = false
    }
    baseStamp = stamp
    baseKnown = known
    baseKept = kept
    baseHeld = office.held > 0 && baseKeys.some((key) => office.holds(key))
  }

  function copyOf(key: string): StampCopy | undefined {
    return base.find((copy) => copy.key === key) ?? tagCopies.get(key)
  }

  const leave = office.join(baseKeys, tagPrefix, {
    changed(key) {
      const copy = copyOf(key)
      if (copy === undefined) return
      copy.fresh = false
      copy.asked = undefined
      copy.voids++
      changed()
    },
    moved(key, stamp) {
      const copy = copyOf(key)
      if (copy === undefined || stamp <= copy.value) return
      copy.value = stamp
      changed()
    },
    flush() {
      reader.flushed()
      for (const copies of [base, tagCopies.values()]) {
        for (const copy of copies) {
          copy.fresh = false
          copy.asked = undefined
        }
      }
      changed()
    },
    touched: changed,
  })
  changed()

  /**
   * All at once, so that all are known in one turn: the base too, unless it can be kept. It costs no
   * command more.
   */
  function learn(tags: readonly string[]): Promise<void> {
    const held = tags.map((tag) => tagCopies.hold(stampKeyOfTag(namespace, tag)))
    const wanted = new Set(held.filter((copy) => !reader.isKnown(copy)))
    const learnt = wanted.size === 0 ? learnBase() : readWithBase(wanted)
    const release = (): void => held.forEach(tagCopies.release)
    // Whoever asked judges in the turn in which this resolves.
    const releaseLater = (): void => clock.afterIo(release)
    learnt.then(releaseLater, releaseLater)
    return learnt
  }

  function readWithBase(wanted: ReadonlySet<StampCopy>): Promise<void> {
    return startReading([...wanted, ...base.filter((copy) => !copy.fresh)])
  }

  async function startReading(copies: readonly StampCopy[]): Promise<void> {
    office.watch()
    await reader.read(copies)
  }

  function learnBase(): Promise<void> {
    if (baseKept) return KNOWN
    if (askedBase !== undefined) return askedBase
    const reply = startReading(base)
    askedBase = reply
    process.nextTick(() => {
      if (askedBase === reply) askedBase = undefined
    })
    return reply
  }

  function skewUs(): number {
    return connection.isCluster ? clockSkewMs * 1000 : 0
  }

  function verdict(entry: Stampable): Verdict {
    if (baseHeld) return 'dead'
    const { tags } = entry
    if (tags.length === 0 && baseStamp === 0 && baseKnown) return 'alive'
    const { loadedAt, seen } = entry
    if (loadedAt === undefined) return 'alive'
    // A lower bound is enough to tell the dead: stamps only grow.
    const skew = skewUs()
    if (stampKills(baseStamp, loadedAt, seen[0] ?? 0, skew)) return 'dead'
    let known = baseKnown
    for (let i = 0; i < tags.length; i++) {
      const key = stampKeyOfTag(namespace, tags[i] as string)
      if (office.held > 0 && office.holds(key)) return 'dead'
      const copy = tagCopies.get(key)
      if (copy === undefined) known = false
      else if (stampKills(copy.value, loadedAt, seen[i + 1] ?? 0, skew)) return 'dead'
      else if (!reader.isKnown(copy)) known = false
    }
    return known ? 'alive' : 'unknown'
  }

  function seen(tags: readonly string[]): readonly number[] | undefined {
    if (tags.length === 0 && baseStamp === 0) return undefined
    const serverMs = connection.serverNow(ownKey)
    const margin = clockSkewMs * (serverMs === undefined ? 8 : 2)
    return seenStamps(
      {
        namespace: baseStamp,
        tag: (name) => tagCopies.get(stampKeyOfTag(namespace, name))?.value ?? 0,
      },
      tags,
      (serverMs ?? clock.wallNow()) * 1000,
      margin * 1000,
    )
  }

  /** Stamps keys of this namespace; undefined: not acknowledged. */
  async function stamp(
    keys: readonly string[],
    ttlMs: number,
    above: number,
  ): Promise<number[] | undefined> {
    const attempt = office.attempt()
    try {
      const reply = await connection.script(stampScript, keys, stampArgs(ttlMs, above))
      const stamps = (reply as unknown[]).map(Number)
      keys.forEach((key, index) => office.tell(key, stamps[index] as number))
      office.release(keys, attempt)
      for (const key of keys) if (!office.holds(key)) held.delete(key)
      return stamps
    } catch (error) {
      if (!isCorralError(error)) throw error
      lastError = error
      hold(keys, attempt)
      return undefined
    }
  }

  function hold(keys: readonly string[], attempt: number): void {
    for (const key of keys) held.add(key)
    office.hold(keys, attempt)
  }

  async function invalidateTags(tags: readonly string[]): Promise<boolean> {
    office.watch()
    const keys = [...new Set(tags.map((tag) => stampKeyOfTag(namespace, tag)))]
    // Its own copies learn of it at once, those of tags that nobody has read yet included.
    for (const key of keys) tagCopies.open(key)
    const ttlMs = Math.max(SHORTEST_STAMP_MS, longestTtlMs) + STAMP_MARGIN_MS
    const calls: Promise<number[] | undefined>[] = []
    for (let at = 0; at < keys.length; at += MAX_KEYS) {
      calls.push(stamp(keys.slice(at, at + MAX_KEYS), ttlMs, 0))
    }
    return (await Promise.all(calls)).every((stamps) => stamps !== undefined)
  }

  async function stampNamespace({ deep = false } = {}): Promise<number | undefined> {
    office.watch()
    // The base stamps of a cluster come from several clocks, and entries answer to their maximum:
    // a new one below it would kill nothing. Deep ones must exceed stamps that are not known here.
    let above = baseStamp
    if (deep && connection.isCluster) {
      const nowMs = connection.serverNow(ownKey) ?? clock.wallNow()
      above = Math.max(above, Math.ceil((nowMs + clockSkewMs) * 1000))
    }
    // Without end: one key for a whole namespace.
    return (await stamp([deep ? deepStampKey(namespace) : ownKey], Infinity, above))?.[0]
  }

  return {
    verdict,
    get baseKnown() {
      return baseKept
    },
    get base() {
      return baseStamp
    },
    epoch,
    learnBase,
    learn,
    seen,
    noteTtl(ttlMs) {
      if (ttlMs > longestTtlMs) longestTtlMs = ttlMs
    },
    invalidateTags,
    stampNamespace,
    holdNamespace(deep) {
      hold([deep ? deepStampKey(namespace) : ownKey], office.attempt())
    },
    holdTags(tags) {
      hold(
        tags.map((tag) => stampKeyOfTag(namespace, tag)),
        office.attempt(),
      )
    },
    get lastError() {
      return lastError
    },
    close() {
      office.release([...held], Infinity)
      held.clear()
      leave()
    },
  }
}
