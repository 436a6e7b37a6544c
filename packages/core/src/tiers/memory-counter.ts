import type { IncrementReply, IncrementRequest } from '../protocol/increment-script.ts'
import { stampKills } from '../protocol/liveness.ts'
import { countOverflow } from '../errors.ts'
import { decodeEntry, isIdentity } from '../protocol/wire-entry.ts'

/**
 * What `increment` does at a key that holds `text`, as its script does it; undefined: no integer there.
 *
 * @throws CorralError `REDIS_REPLY` where the count would leave 2^53
 */
export function incrementText(
  text: string | undefined,
  redisKey: string,
  { by, stamp, skewUs, alive }: IncrementRequest,
): { readonly reply: IncrementReply; readonly anew: boolean } | undefined {
  const decoded = text === undefined ? undefined : decodeEntry(text, redisKey)
  if (text === undefined || decoded === undefined || decoded.kind === 'lease') return counted(by)
  if (decoded.kind !== 'entry') return undefined
  const { value, loadedAt, seen, tags } = decoded
  if (loadedAt !== undefined) {
    if (stampKills(stamp, loadedAt, seen[0] ?? 0, skewUs)) return counted(by)
    const known = alive !== undefined && isIdentity(text, alive)
    if (!known && tags.length > 0) return { reply: { status: 'tagged', text }, anew: false }
  }
  if (!Number.isInteger(value)) return undefined
  const sum = (value as number) + by
  if (!Number.isSafeInteger(sum)) throw countOverflow('increment')
  return counted(sum, false)
}

function counted(
  value: number,
  anew = true,
): { readonly reply: IncrementReply; readonly anew: boolean } {
  return { reply: { status: 'done', value }, anew }
}
