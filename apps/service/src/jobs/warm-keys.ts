import type { Cache, WarmProgress } from '@corral/core'
import { tagsOf, type Source } from '../source.ts'

/** Keys loaded at once: enough to be quick, few enough to leave the source room for requests. */
const CONCURRENCY = 16

export interface WarmReport {
  /** Keys that were loaded now. */
  readonly stored: number
  /** Keys that were cached already. */
  readonly present: number
  /** Keys that the source has nothing of. */
  readonly absent: readonly string[]
}

/**
 * Makes sure that the cache holds each of the keys.
 *
 * @param ttl seconds; the cache's own when left out
 * @throws Error naming keys that could not be loaded; those that could are not loaded again
 */
export async function warmKeys(
  { cache, source }: { readonly cache: Cache; readonly source: Source },
  keys: readonly string[],
  ttl: number | undefined,
  report: (progress: WarmProgress) => void,
): Promise<WarmReport> {
  const absent: string[] = []
  const entries = [...new Set(keys)].map((key) => ({
    key,
    tags: tagsOf(key),
    ...(ttl === undefined ? {} : { ttl }),
    async load(): Promise<unknown> {
      const value = await source.load(key)
      if (value !== null) return value
      absent.push(key)
      return undefined
    },
  }))
  const { stored, present, failed } = await cache.warm(entries, {
    concurrency: CONCURRENCY,
    onProgress: report,
  })
  if (failed.length > 0) {
    const some = failed.slice(0, 5).map(({ key }) => key)
    throw new Error(`${failed.length} keys could not be loaded, such as ${some.join(', ')}`)
  }
  return { stored, present, absent }
}
