import { describeValue, encodePart } from '@corral/connection'
import type { Cache, Ttl } from '@corral/core'

/** What is kept for one user, and all of it forgotten at once. */
export interface UserCache {
  setUserCache(userId: string | number, name: string, value: unknown, ttl?: Ttl): Promise<boolean>
  getUserCache<T = unknown>(userId: string | number, name: string): Promise<T | undefined>
  /**
   * Forgets everything of a user in one step, however much it is: what `setUserCache` stored, and what
   * was memoized for that user as `userOf` says. The result is as that of `invalidateTags`.
   */
  deleteUserCache(userId: string | number): Promise<boolean>
}

/** The tag of a user; each part is encoded, so no id can reach another's. */
export function userTag(userId: string | number): string {
  return `user:${encodePart(idOf(userId))}`
}

export function createUserCache(cache: Cache): UserCache {
  const keyOf = (userId: string | number, name: string): string =>
    `user:${encodePart(idOf(userId))}:${encodePart(name)}`
  return {
    async setUserCache(userId, name, value, ttl) {
      const tags = [userTag(userId)]
      return cache.set(keyOf(userId, name), value, ttl === undefined ? { tags } : { ttl, tags })
    },
    async getUserCache(userId, name) {
      return cache.get(keyOf(userId, name))
    },
    async deleteUserCache(userId) {
      return cache.invalidateTags([userTag(userId)])
    },
  }
}

/** Whose a memoized result is; of a function that makes its key of its arguments, these too. */
export type UserOf = (key: string, args?: readonly unknown[]) => string | number | undefined

/**
 * The user of a key `<what>:<id>`: all behind the first `:`, so that `1` and `1:admin` are two. Of a call
 * it is its only argument, which stands in the key in another form.
 */
export const userOfKey: UserOf = (key, args) => {
  if (args !== undefined) {
    const [id, ...others] = args
    return isId(id) && others.every((other) => other === undefined) ? id : undefined
  }
  const at = key.indexOf(':')
  return at === -1 || at === key.length - 1 ? undefined : key.slice(at + 1)
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' ? value !== '' : Number.isSafeInteger(value)
}

/** @throws TypeError for what is no non-empty string or whole number */
function idOf(userId: string | number): string {
  if (isId(userId)) return String(userId)
  throw new TypeError(
    `userId: must be a non-empty string or a whole number, received ${describeValue(userId)}`,
  )
}
