/** What came of waiting: the value in time, or nothing. */
export type Outcome<T> = { readonly done: true; readonly value: T } | { readonly done: false }

/**
 * Waits for a promise, but not longer than `milliseconds`; a rejection in time is passed on, a later
 * one is of no interest to anybody.
 */
export async function within<T>(promise: Promise<T>, milliseconds: number): Promise<Outcome<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Outcome<T>>((resolve) => {
    timer = setTimeout(() => resolve({ done: false }), milliseconds)
  })
  const inTime = promise.then((value): Outcome<T> => ({ done: true, value }))
  inTime.catch(() => {})
  try {
    return await Promise.race([inTime, late])
  } finally {
    clearTimeout(timer)
  }
}
