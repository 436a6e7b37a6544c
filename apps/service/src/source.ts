import { createHash } from 'node:crypto'
import { REPORT_SHARES, type Database } from './database.ts'

/** Where a value comes from when the cache has none. */
export interface Source {
  /** Resolves with `null` when there is nothing of this key, which is worth remembering, too. */
  load(key: string): Promise<unknown>
}

/**
 * One key space for everything the service caches: `user:<id>` is that user, any other key is a
 * made-up one whose value a demo function computes from a share of the users.
 */
export function createSource(database: Database): Source {
  return {
    async load(key) {
      const id = userIdOf(key)
      if (id === undefined) return { key, ...(await database.report(shareOf(key))) }
      return (await database.user(id)) ?? null
    },
  }
}

export function userKey(id: number): string {
  return `user:${id}`
}

/** The tags of an entry: whatever the source must have changed for the entry to be wrong. */
export function tagsOf(key: string): string[] {
  return userIdOf(key) === undefined ? [shareTag(shareOf(key))] : [key]
}

/** The tags of all entries that a change of this user makes wrong: its own and the reports over it. */
export function tagsOfUser(id: number): string[] {
  return [userKey(id), shareTag(id % REPORT_SHARES)]
}

function shareTag(share: number): string {
  return `users-share:${share}`
}

function userIdOf(key: string): number | undefined {
  // Up to nine digits: the range of Postgres' integer is never left.
  const digits = /^user:([1-9]\d{0,8})$/.exec(key)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function shareOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt16BE() % REPORT_SHARES
}
