/** Knows how long the event loop was held up, so that a busy machine is not blamed on the code. */
export interface LoopDelay extends Disposable {
  /** Milliseconds of delay between two moments of `performance.now()`. */
  between(from: number, to: number): number
}

const TICK_MS = 2

export function watchLoop(): LoopDelay {
  const stalls: { from: number; to: number }[] = []
  let expected = performance.now() + TICK_MS
  const timer = setInterval(() => {
    const now = performance.now()
    if (now - expected > 1) stalls.push({ from: expected, to: now })
    expected = now + TICK_MS
  }, TICK_MS)
  return {
    between(from, to) {
      let sum = 0
      for (const stall of stalls)
        sum += Math.max(0, Math.min(to, stall.to) - Math.max(from, stall.from))
      return sum
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
