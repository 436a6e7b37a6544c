import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { CoreEvents } from '@corral/core'

/** Counts the invalidations of a namespace that Redis did not acknowledge. */
export interface InvalidationFailures {
  readonly count: number
  close(): void
}

/**
 * `deletePattern` tells how many entries went, not whether Redis answered each time. Whoever counts
 * failures before and after it knows; at worst another's failure at the same time is taken for it.
 */
export function watchFailures(namespace: string): InvalidationFailures {
  let count = 0
  function onError(message: unknown): void {
    const event = message as CoreEvents['corral:core:error']
    if (event.namespace === namespace && event.operation === 'invalidate') count++
  }
  subscribe('corral:core:error', onError)
  return {
    get count() {
      return count
    },
    close: () => void unsubscribe('corral:core:error', onError),
  }
}
