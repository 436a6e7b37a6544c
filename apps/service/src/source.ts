import { createHash } from 'node:crypto'
import type { Database } from './database.ts'

/** Where a value comes from when the cache has none. */
export interface Source {
  /** Resolves with `null` when there is nothing of this key, which is worth remembering, too. */
  load(key: string): Promise<unknown>
}

/**
 * One key space for everything the service caches: `user:<id>` is that user, any other key is a
 * made-up one whose value a demo function computes from the database.
 */
export function createSource(database: Database): Source {
  return {
    async load(key) {
      const id = userIdOf(key)
      if (id === undefined) return { key, ...(await database.report(seedOf(key))) }
      return (await database.user(id)) ?? null
    },
  }
}

export function userKey(id: number): string {
  return `user:${id}`
}

function userIdOf(key: string): number | undefined {
  // Up to nine digits: the range of Postgres' integer is never left.
  const digits = /^user:([1-9]\d{0,8})$/.exec(key)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function seedOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt16BE()
}
