/**
 * A place from 0 to 100 (excluded) for an id, always the same: FNV-1a over the text's code units, then
 * murmur3's last mixing, without which ids that differ in their last digit would lie side by side.
 */
export function placeOf(salt: string, id: string): number {
  let hash = 0x811c9dc5
  const text = `${salt}\0${id}`
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return ((hash >>> 0) / 0x1_0000_0000) * 100
}
