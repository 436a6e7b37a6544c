import { kinds, type Act, type Kind } from './record.ts'

export interface Violation {
  readonly read: Act
  /** What it should have heard of. */
  readonly change: Act
  /** How long after the acknowledgement the read began, µs. */
  readonly after: number
}

export interface Verdict {
  readonly reads: number
  readonly changes: number
  readonly violations: readonly Violation[]
  /** Of reads that began after another process's change and returned what was before: how long after, µs. */
  readonly lags: readonly number[]
}

const reading: ReadonlySet<Kind> = new Set([
  kinds.nearRead,
  kinds.remoteRead,
  kinds.sharedRead,
  kinds.rawRead,
])

/**
 * No read may return a version below what an invalidation, acknowledged before the read began, made
 * the least: at once in the process that invalidated, and wherever Redis itself is asked; elsewhere
 * when the signal has arrived, for which `signalUs` are allowed.
 */
export function check(acts: Iterable<Act>, signalUs: number): Verdict {
  const byKey = new Map<number, { reads: Act[]; changes: Act[] }>()
  for (const act of acts) {
    let of = byKey.get(act.key)
    if (of === undefined) byKey.set(act.key, (of = { reads: [], changes: [] }))
    ;(reading.has(act.kind) ? of.reads : of.changes).push(act)
  }
  const violations: Violation[] = []
  const lags: number[] = []
  let [reads, changes] = [0, 0]
  for (const of of byKey.values()) {
    reads += of.reads.length
    changes += of.changes.length
    const ordered = of.changes.toSorted((a, b) => a.ended - b.ended)
    for (const read of of.reads) {
      for (const change of ordered) {
        if (change.ended >= read.began) break
        if (change.version <= read.version) continue
        const allowed = allowance(read, change, signalUs)
        const after = read.began - change.ended
        if (allowed === undefined) continue
        if (after >= allowed) violations.push({ read, change, after })
        else lags.push(after)
      }
    }
  }
  return { reads, changes, violations, lags }
}

/** How long after a change a read may still miss it; undefined: for ever. */
function allowance(read: Act, change: Act, signalUs: number): number | undefined {
  if (read.kind === kinds.rawRead) return change.kind === kinds.stamping ? undefined : 0
  if (change.kind === kinds.foreign) return read.kind === kinds.remoteRead ? 0 : signalUs
  if (read.process === change.process) return 0
  if (read.kind === kinds.remoteRead && change.kind === kinds.removal) return 0
  return signalUs
}
