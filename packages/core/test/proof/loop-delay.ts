const tickMs = 1

/**
 * Counts how long this event loop was held up, all in all, so that a busy machine is not blamed on
 * the code: the difference of two calls is the delay between them, in milliseconds.
 */
export function countLoopDelay(): () => number {
  let sum = 0
  let expected = performance.now() + tickMs
  setInterval(() => {
    const now = performance.now()
    sum += Math.max(0, now - expected)
    expected = now + tickMs
  }, tickMs).unref()
  return () => sum + Math.max(0, performance.now() - expected)
}
