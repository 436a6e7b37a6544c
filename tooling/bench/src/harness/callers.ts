import type { Contender, Work } from './alternate.ts'

/**
 * `callers` callers at once, each asking again as soon as it was answered.
 *
 * @param call gets a running number, to choose its key by
 * @param per how many operations one call stands for
 */
export function callersOf(
  name: string,
  callers: number,
  call: (turn: number) => Promise<unknown>,
  per = 1,
): Contender {
  let next = 0
  async function run(ms: number): Promise<Work> {
    let calls = 0
    let over = false
    const timer = setTimeout(() => (over = true), ms)
    const startedAt = performance.now()
    const caller = async (): Promise<void> => {
      while (!over) {
        await call(next++)
        calls++
      }
    }
    try {
      await Promise.all(Array.from({ length: callers }, caller))
    } finally {
      over = true
      clearTimeout(timer)
    }
    return { operations: calls * per, elapsedMs: performance.now() - startedAt }
  }
  return { name, run }
}
