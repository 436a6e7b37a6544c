import { identityOf, type ResolvedClient } from './client/resolve-source.ts'
import type { ConnectionOptions } from './connection.ts'
import { createGuard, type Guard } from './guard/guard.ts'
import { requireSameOptions, resolveOptions } from './options.ts'
import type { SourceId } from './stats-source.ts'
import { warner } from './warnings.ts'

interface Entry {
  readonly guard: Guard
  /** Under what it is known: the client's options, and the promise that the client came by. */
  readonly identities: object[]
  handles: number
}

/** On the global object, so that two installed copies of this package share one guard as well. */
const slot = Symbol.for('corral.connection.guards.1')
const global = globalThis as unknown as Record<symbol, WeakMap<object, Entry> | undefined>
const guards: WeakMap<object, Entry> = (global[slot] ??= new WeakMap<object, Entry>())

/** A guard in use by one more handle. */
export interface Lease {
  readonly guard: Guard
  /** One more handle on the same guard. */
  again(options: ConnectionOptions): Lease
  /** Gives the handle back; the last one closes the guard. Call once. */
  release(): Promise<void>
}

/**
 * The guard of a client, made on first use and counted.
 *
 * @param identity see `identityOf`
 * @param resolve finds the client; called only when nobody shares it yet
 * @throws TypeError when options are given that differ from those of the guard
 */
export function leaseGuard(
  identity: object,
  resolve: () => ResolvedClient | Promise<ResolvedClient>,
  options: ConnectionOptions,
): Lease {
  const shared = guards.get(identity)
  if (shared !== undefined) {
    requireSameOptions(options, shared.guard.options)
    return takeHandle(shared)
  }
  const resolved = resolveOptions(options)
  const source: SourceId = { kind: 'connection', name: 'redis' }
  const found = resolve()
  const guard = createGuard(
    found,
    { ...resolved, source, onWarning: warner(source, resolved.onWarning) },
    (client) => peerOf(client),
  )
  const identities = found instanceof Promise ? [identity] : [identity, identityOf(found.client)]
  const entry: Entry = { guard, identities, handles: 0 }
  for (const known of identities) guards.set(known, entry)
  return takeHandle(entry)

  /** Called when a promised client is known: the first to come is its guard, others join. */
  function peerOf(client: object): Lease | undefined {
    const known = identityOf(client)
    const first = guards.get(known)
    if (first === undefined) {
      entry.identities.push(known)
      guards.set(known, entry)
      return undefined
    }
    if (first === entry) return undefined
    requireSameOptions(options, first.guard.options)
    return takeHandle(first)
  }
}

function takeHandle(entry: Entry): Lease {
  entry.handles++
  return {
    guard: entry.guard,
    again(options) {
      if (entry.handles === 0) throw new TypeError('connection: this connection was closed')
      requireSameOptions(options, entry.guard.options)
      return takeHandle(entry)
    },
    async release() {
      entry.handles--
      if (entry.handles > 0) return
      for (const identity of entry.identities) {
        if (guards.get(identity) === entry) guards.delete(identity)
      }
      await entry.guard.close()
    },
  }
}
