/**
 * Key of the lease that guards the refresh of a stale entry. Corral's keys hold no braces, so the data key's
 * slot is that of the whole key, and the hash tag puts the lease beside it.
 */
export function refreshLeaseKey(redisKey: string): string {
  return `corral:lease:{${redisKey}}`
}

/** Key of `clear()`'s stamp. All stamps of a namespace share a slot, so one MGET reads them. */
export function namespaceStampKey(namespace: string): string {
  return `corral:stamp:{${namespace}}`
}

/** Key of a tag's stamp. */
export function tagStampKey(namespace: string, tag: string): string {
  return `corral:stamp:{${namespace}}:${tag}`
}
