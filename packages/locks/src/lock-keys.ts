import { escapeGlob, type Keyspace, ownKey } from '@corral/connection'

/** The Redis keys of one namespace's locks; all keys of one lock share its hash tag. */
export interface LockKeys {
  mutex(name: string): string
  readWrite(name: string): string
  semaphore(name: string): string
  /** Finds the mutexes of the namespace. */
  readonly mutexPattern: string
  /** The name behind a mutex's key; undefined when it was too long to be kept. */
  mutexName(key: string): string | undefined
}

const HEAD = 'corral:lock:{'

export function createLockKeys(keyspace: Keyspace): LockKeys {
  return {
    mutex: (name) => ownKey('lock', keyspace.key(name)),
    readWrite: (name) => ownKey('lock', keyspace.key(name), 'rw'),
    semaphore: (name) => ownKey('lock', keyspace.key(name), 'permits'),
    mutexPattern: `${escapeGlob(HEAD + keyspace.prefix)}*}`,
    mutexName: (key) => keyspace.decode(key.slice(HEAD.length, -1)),
  }
}
