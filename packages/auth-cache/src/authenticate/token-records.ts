import type { Cache } from '@corral/core'
import type { AuthRecord, Records } from '../records/records.ts'
import type { Presented } from '../tokens/inspect-token.ts'

/** Key of what the verifier said of a token. */
export function verifiedKey(digest: string): string {
  return `t:${digest}`
}

/** Key of a token that was set. */
export function knownKey(digest: string): string {
  return `k:${digest}`
}

/** Reads what is stored for a token, under each pepper, all in one go; the first that can be read. */
export async function readRecord(
  cache: Cache,
  records: Records,
  cacheKeys: readonly string[],
  now: number,
): Promise<AuthRecord | undefined> {
  const [only] = cacheKeys
  const found =
    cacheKeys.length === 1
      ? [await cache.get(only as string)]
      : await Promise.all(cacheKeys.map((key) => cache.get(key)))
  for (let i = 0; i < found.length; i++) {
    const record = records.open(cacheKeys[i] as string, found[i])
    if (record !== undefined && isCurrent(record, now)) return record
  }
  return undefined
}

export function isCurrent(record: AuthRecord, now: number): boolean {
  return record.until === undefined || now < record.until
}

/** A token's own end binds whatever is stored: the time to live of an entry may have been changed. */
export function isServable(presented: Presented, now: number): boolean {
  return now < presented.cacheableUntil
}
