/**
 * For what a call-back of the caller threw: everybody sees it, as what an event's listener throws,
 * but not in the middle of our own work, where others would not be told and deadlines not kept.
 */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
