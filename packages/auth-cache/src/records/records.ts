import type { Digests } from '../tokens/digests.ts'
import { traceChannel } from '../trace.ts'
import { asShared } from './as-shared.ts'

/** What is stored under a token or a user. */
export interface AuthRecord {
  /** The newest revocation of the namespace when this began to be found out, as a stamp. */
  readonly at: number
  /** Epoch milliseconds after which it is not served. */
  readonly until?: number
  /** When the token was issued, by itself, in seconds since 1970. */
  readonly iat?: number
  /** Whose it is, if that is known. */
  readonly user?: string
  /** What the verifier said of the token, or what was set for the user. */
  readonly data?: unknown
}

/** A record as it is stored: its text, and a seal over key and text where there is a pepper. */
export interface PackedRecord {
  readonly v: 1
  readonly body: string
  readonly mac?: string
}

export interface Records {
  pack(key: string, body: string): PackedRecord
  /** The record, or nothing when it is none, or was not written by us under this key. */
  open(key: string, packed: unknown): AuthRecord | undefined
}

const tampered = traceChannel('corral:auth-cache:tampered')

export function createRecords(digests: Digests, namespace: string): Records {
  // The near cache hands out one frozen object at each hit: it needs opening once.
  const opened = new WeakMap<object, { readonly key: string; readonly record: AuthRecord }>()

  function openNew(key: string, packed: Partial<PackedRecord>): AuthRecord | undefined {
    const { v, body, mac } = packed
    if (v !== 1 || typeof body !== 'string') return undefined
    if (!digests.fits(key, body, mac)) {
      if (tampered.hasSubscribers) tampered.publish({ namespace })
      return undefined
    }
    try {
      const record: unknown = JSON.parse(body)
      return isRecord(record) ? asShared(record) : undefined
    } catch {
      return undefined
    }
  }

  return {
    pack(key, body) {
      const mac = digests.seal(key, body)
      return mac === undefined ? { v: 1, body } : { v: 1, body, mac }
    },
    open(key, packed) {
      if (typeof packed !== 'object' || packed === null) return undefined
      const known = opened.get(packed)
      if (known?.key === key) return known.record
      const record = openNew(key, packed)
      if (record !== undefined && Object.isFrozen(packed)) opened.set(packed, { key, record })
      return record
    },
  }
}

function isRecord(value: unknown): value is AuthRecord {
  if (typeof value !== 'object' || value === null) return false
  const { at, until, iat, user } = value as Partial<Record<keyof AuthRecord, unknown>>
  return (
    typeof at === 'number' &&
    (until === undefined || typeof until === 'number') &&
    (iat === undefined || typeof iat === 'number') &&
    (user === undefined || typeof user === 'string')
  )
}
