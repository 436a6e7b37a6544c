import { namespaceStampKey, tagStampKey } from '../protocol/protocol-keys.ts'

/** What all keys of `clear()`'s and of tags' stamps start with. */
export const STAMP_PREFIX = 'corral:stamp:{'
/** What all keys of the stamps of `clear({ deep: true })` start with. */
export const DEEP_PREFIX = 'corral:deep:{'

/** Key of the stamp of `clear({ deep: true })`, which the namespace and all below it answer to. */
export function deepStampKey(namespace: string): string {
  return `${DEEP_PREFIX}${namespace}}`
}

/**
 * The stamps that every entry of a namespace answers to: its own, and the deep ones of itself and
 * of each namespace above it (`a`, `a:b`, `a:b:c`).
 */
export function baseStampKeys(namespace: string): string[] {
  const keys = [namespaceStampKey(namespace)]
  for (let end = namespace.indexOf(':'); end >= 0; end = namespace.indexOf(':', end + 1)) {
    keys.push(deepStampKey(namespace.slice(0, end)))
  }
  keys.push(deepStampKey(namespace))
  return keys
}

/**
 * Key of a tag's stamp. A lone surrogate has no UTF-8 form, and Redis would name another key than
 * the one that is kept here: it becomes what UTF-8 makes of it.
 */
export function stampKeyOfTag(namespace: string, tag: string): string {
  return tagStampKey(namespace, wellFormed(tag))
}

const loneSurrogate = /\p{Surrogate}/u
const loneSurrogates = /\p{Surrogate}/gu

function wellFormed(text: string): string {
  return loneSurrogate.test(text) ? text.replace(loneSurrogates, '\uFFFD') : text
}

/** A stamp as Redis gives it; nothing, or what is no stamp, counts as never stamped. */
export function parseStamp(text: unknown): number {
  const stamp = typeof text === 'string' || typeof text === 'number' ? Number(text) : 0
  return Number.isFinite(stamp) && stamp > 0 ? stamp : 0
}
