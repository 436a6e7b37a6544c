import { type Clock, describeValue } from '@corral/connection'
import type { Lock } from './lock/lock.ts'
import { requireName, type ResolvedAcquire } from './options.ts'

/** Several locks that are held together. */
export interface LockSet extends AsyncDisposable {
  /** In the order in which they were asked for by the caller. */
  readonly locks: readonly Lock[]
  readonly held: boolean
  /** Aborted before the first of them can have run out. */
  readonly signal: AbortSignal
  /** The largest of their fencing tokens; each lock has its own in {@link locks}. */
  readonly fencingToken: number
  extend(ttl?: Parameters<Lock['extend']>[0]): Promise<void>
  /** Gives all of them back. Rejects with the first error after all were tried. */
  release(): Promise<void>
  /** {@link release} that never rejects. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Takes all or none. Everybody takes them in one order, so nobody waits for a lock whose holder
 * waits for one of his. The wait is one for all; what is held already is extended meanwhile.
 *
 * @throws TypeError for names that are empty, missing or come twice
 */
export async function createLockSet(
  names: readonly string[],
  options: ResolvedAcquire,
  clock: Clock,
  acquire: (name: string, options: ResolvedAcquire) => Promise<Lock>,
): Promise<LockSet> {
  if (!Array.isArray(names) || names.length === 0) {
    throw new TypeError(`names: must be a non-empty array, received ${describeValue(names)}`)
  }
  for (const name of names) requireName(name)
  if (new Set(names).size !== names.length) {
    throw new TypeError('names: a lock must not come twice, it would wait for itself')
  }
  const startedAt = clock.now()
  const taken = new Map<string, Lock>()
  let complete = false
  const goOnExtending = (): boolean => !complete || options.autoExtend
  try {
    for (const name of names.toSorted(byCodeUnit)) {
      const waitMs = Math.max(0, options.waitMs - (clock.now() - startedAt))
      // Extended from the start: the first must not run out while the last is waited for.
      taken.set(name, await acquire(name, { ...options, waitMs, autoExtend: true, goOnExtending }))
    }
    const set = createSet(names.map((name) => taken.get(name)!))
    set.signal.throwIfAborted()
    if (!options.autoExtend) await set.extend()
    complete = true
    return set
  } catch (error) {
    await Promise.allSettled([...taken.values()].map((lock) => lock.release()))
    throw error
  }
}

/** The same order on every machine, whatever its language. */
function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function createSet(locks: readonly Lock[]): LockSet {
  const signal = AbortSignal.any(locks.map((lock) => lock.signal))
  async function release(): Promise<void> {
    const results = await Promise.allSettled(locks.map((lock) => lock.release()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  return {
    locks,
    get held() {
      return locks.every((lock) => lock.held)
    },
    signal,
    fencingToken: Math.max(...locks.map((lock) => lock.fencingToken)),
    async extend(ttl) {
      await Promise.all(locks.map((lock) => lock.extend(ttl)))
    },
    release,
    [Symbol.asyncDispose]: () => release().catch(() => undefined),
  }
}
