/**
 * The frozen wire format, version 1 (docs/decisions/0001-write-lease-and-stamp-protocol.md):
 *
 *   {"c":1,"at":<µs>[,"expires":<ms>][,"seen":[<µs>,…]],"h":<hash>[,"stale":<ms>][,"cost":<ms>]
 *    [,"tags":["…"]][,"esc":1],"value":<json>}             an entry; `esc`: Keyv's escapes are in it
 *   {"lease":"<token>","at":<µs>}                          a lease, standing where the entry will be
 *   -?[0-9]+                                               a counter
 *   {"value":<json>[,"expires":<ms>]}                      what Keyv writes; read as an entry
 *
 * Scripts read and write the head (up to and including `expires`) by position, so its order is part
 * of the format, and every later version begins with `{"c":<version>,"at":<µs>`.
 */
export const FORMAT_VERSION = 1

/** What stands at a key, as it came: bytes from Redis in a read, text from a script or from memory. */
export type Stored = string | Buffer

export function textOf(stored: Stored): string {
  return typeof stored === 'string' ? stored : stored.toString()
}

/** To be copied by {@link withValue} alone: an object made by spreading may lack all but the value. */
export interface DecodedEntry {
  readonly kind: 'entry'
  readonly value: unknown
  /** Server time in microseconds at which the load (or the set) began; undefined for foreign entries. */
  readonly loadedAt: number | undefined
  /** End of its life, epoch milliseconds; undefined = none. */
  readonly expires: number | undefined
  /** Fresh before this, stale from here to `expires`; epoch milliseconds. */
  readonly freshUntil: number | undefined
  /** How much of its life is at the end of it and stale; 0: none. */
  readonly staleMs: number
  /** Not written by Corral: there is no `loadedAt`, and nobody but itself says when it ends. */
  readonly foreign: boolean
  readonly costMs: number | undefined
  readonly tags: readonly string[]
  readonly seen: readonly number[]
  /** Set when `value` is undefined because a codec has to decode `data`. */
  readonly encoded: { readonly codec: string; readonly data: string } | undefined
}

export type Decoded =
  | DecodedEntry
  | { readonly kind: 'lease'; readonly token: string; readonly at: number }
  /** Written by a later Corral: a miss that nobody may fill or remove. */
  | { readonly kind: 'newer'; readonly version: number }
  /** Another key's entry: the connection's replies are shifted. A miss; do not touch the key. */
  | { readonly kind: 'mismatch' }
  /** Not an entry: a miss, to be removed by compare-and-delete. */
  | { readonly kind: 'garbage' }
