import type { Contender, Work } from './alternate.ts'

/**
 * Bursts of callers who all want one thing at once; the next burst starts when the last of them was
 * served. An operation is one caller served.
 *
 * @param serve gets the caller's number; false when it gave up unserved
 */
export function burstsOf(
  name: string,
  callers: number,
  serve: (caller: number) => Promise<boolean>,
): Contender {
  async function burst(): Promise<number> {
    const served = await Promise.all(Array.from({ length: callers }, (_, caller) => serve(caller)))
    return served.filter(Boolean).length
  }
  async function run(ms: number): Promise<Work> {
    let operations = 0
    const startedAt = performance.now()
    do operations += await burst()
    while (performance.now() - startedAt < ms)
    return { operations, elapsedMs: performance.now() - startedAt }
  }
  return { name, run }
}
