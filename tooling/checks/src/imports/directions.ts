/**
 * What each package may import, in its sources and in its package.json, types included.
 * Downward only: connection ← core ← client ← auth-cache, connection ← locks, connection ← metrics.
 */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@corral/connection': [],
  '@corral/core': ['@corral/connection'],
  '@corral/client': ['@corral/connection', '@corral/core'],
  '@corral/auth-cache': ['@corral/connection', '@corral/core', '@corral/client'],
  '@corral/locks': ['@corral/connection'],
  '@corral/metrics': ['@corral/connection'],
}

/** What a package's tests drive besides: what it only knows by structure and by its messages. */
const OBSERVED: Readonly<Record<string, readonly string[]>> = {
  '@corral/metrics': ['@corral/core', '@corral/locks'],
}

/** Test fixtures stand below every package, so they import none of them. */
const TESTING = '@corral/testing'

/** What the members of the workspace that are never published may import. */
const PRIVATE: Readonly<Record<string, readonly string[]>> = {
  [TESTING]: [],
  '@corral/service': [...Object.keys(PACKAGES), TESTING],
  '@corral/bench': [...Object.keys(PACKAGES), TESTING],
  '@corral/checks': [...Object.keys(PACKAGES), TESTING],
}

export interface Allowed {
  /** In what is published. */
  readonly sources: readonly string[]
  /** In tests and devDependencies. */
  readonly tests: readonly string[]
}

/** `undefined` for a package that nobody has given a place yet. */
export function allowedImports(name: string): Allowed | undefined {
  const own = PACKAGES[name]
  if (own !== undefined)
    return { sources: own, tests: [...own, ...(OBSERVED[name] ?? []), TESTING] }
  const inner = PRIVATE[name]
  return inner && { sources: inner, tests: inner }
}
