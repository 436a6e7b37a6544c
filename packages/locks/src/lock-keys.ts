import { escapeGlob, type Keyspace, ownKey } from '@corral/connection'
import type { LockInfo } from './lock-info.ts'

/** The Redis keys of one namespace's locks; all keys of one lock share its hash tag. */
export interface LockKeys {
  mutex(name: string): string
  readWrite(name: string): string
  semaphore(name: string): string
  /** Finds all keys of the namespace's locks. */
  readonly pattern: string
  /** The lock that one of those keys tells to be held, perhaps; undefined for all other keys. */
  lockOf(key: string): KeyedLock | undefined
}

export interface KeyedLock {
  readonly key: string
  /** Undefined when it was too long to be kept. */
  readonly name: string | undefined
  readonly kind: LockInfo['kind']
}

const HEAD = 'corral:lock:{'

/** Behind the hash tag of a key that is there while a lock is held. */
const KINDS: ReadonlyMap<string, LockInfo['kind']> = new Map([
  ['', 'mutex'],
  [':rw:held', 'readWrite'],
  [':permits:held', 'semaphore'],
])

export function createLockKeys(keyspace: Keyspace): LockKeys {
  return {
    mutex: (name) => ownKey('lock', keyspace.key(name)),
    readWrite: (name) => ownKey('lock', keyspace.key(name), 'rw'),
    semaphore: (name) => ownKey('lock', keyspace.key(name), 'permits'),
    pattern: `${escapeGlob(HEAD + keyspace.prefix)}*`,
    lockOf(key) {
      // Names have no braces in keys.
      const end = key.indexOf('}')
      const kind = KINDS.get(key.slice(end + 1))
      if (kind === undefined) return undefined
      const name = keyspace.decode(key.slice(HEAD.length, end))
      return { key: key.replace(/:held$/, ''), name, kind }
    },
  }
}
