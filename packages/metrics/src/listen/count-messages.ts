import type { SourceId } from '@corral/connection'
import type { CacheCounts, MeasuredCache } from '../measured.ts'
import { isOf, listen, type Tagged } from './listen.ts'

/** A source whose counts are taken from its messages. */
export interface CountedByMessages extends MeasuredCache {
  stop(): void
}

type Counts = { -readonly [Name in keyof CacheCounts]: number }

/**
 * Counts for a cache that does not count for others: by what is published of its namespace, from
 * now on. Every near hit then costs a message, and two caches of one namespace count as one.
 */
export function countMessages(namespace: string): CountedByMessages {
  const source: SourceId = { kind: 'cache', name: namespace }
  const counts: Counts = {
    hits: 0,
    nearHits: 0,
    misses: 0,
    sets: 0,
    deletes: 0,
    loads: 0,
    coalesced: 0,
    staleServed: 0,
    leaseWaited: 0,
    refreshes: 0,
    earlyRefreshes: 0,
    outageHits: 0,
    errors: 0,
  }
  function adding(...names: (keyof Counts)[]): (message: Tagged) => void {
    return (message) => {
      if (!isOf(source, message)) return
      for (const name of names) counts[name]++
    }
  }

  const stop = listen({
    'corral:core:hit': (message: Tagged & { readonly tier: string; readonly stale: boolean }) => {
      if (!isOf(source, message)) return
      counts.hits++
      if (message.tier === 'near') counts.nearHits++
      if (message.stale) counts.staleServed++
    },
    'corral:core:miss': adding('misses'),
    'corral:core:set': (message: Tagged & { readonly stored: boolean }) => {
      if (isOf(source, message) && message.stored) counts.sets++
    },
    'corral:core:delete': adding('deletes'),
    'corral:core:load': (message: Tagged & { readonly behind?: boolean }) => {
      if (!isOf(source, message)) return
      counts.loads++
      if (message.behind === true) counts.refreshes++
    },
    'corral:core:coalesced': adding('coalesced'),
    'corral:core:lease-wait': adding('leaseWaited'),
    'corral:core:outage-hit': adding('outageHits'),
    'corral:core:error': adding('errors'),
  })
  return { source, counts: () => counts, stop }
}
