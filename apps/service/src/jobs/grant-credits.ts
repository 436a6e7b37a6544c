import type { Cache } from '@corral/core'
import { createSqlFence, type Locks } from '@corral/locks'
import type { Database } from '../database.ts'
import { tagsOfUser, userKey } from '../source.ts'

/** Credits for a user; `id` tells one grant from another. */
export interface Grant {
  readonly id: string
  readonly userId: number
  readonly amount: number
}

export interface GrantResult {
  /** What the user has now; absent when the grant had been made before. */
  readonly credits?: number
}

const users = createSqlFence({ table: 'users' })

/**
 * Reads what a user has, decides, and writes: alone, as it holds the user's lock. Should it be
 * stopped for longer than its lock lives, the table refuses its write, because the next holder has
 * claimed the row with a newer token by then. Somebody who changes the user without the lock moves
 * the fence on, too. Either way it rejects with `FENCE_REFUSED` and nothing was written; the queue
 * tries again. A grant that was made is not made twice.
 */
export async function grantCredits(
  deps: { readonly cache: Cache; readonly database: Database; readonly locks: Locks },
  { id, userId, amount }: Grant,
): Promise<GrantResult> {
  const { cache, database, locks } = deps
  const result = await locks.using(userKey(userId), async ({ signal, fencingToken }) => {
    // First of all, before anything is read.
    await users.claim(database.run, userId, fencingToken)
    const user = await database.user(userId)
    if (user === undefined) throw new Error(`there is no user ${userId}`)
    // Saves work that would be refused below.
    signal.throwIfAborted()
    return database.transaction(async (run): Promise<GrantResult> => {
      const added = await run(
        'INSERT INTO grants (id, user_id, amount) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [id, userId, amount],
      )
      if (added === 0) return {}
      const credits = user.credits + amount
      const updatedAt = new Date().toISOString()
      await users.write(run, userId, fencingToken, {
        credits,
        version: user.version + 1,
        updated_at: updatedAt,
      })
      return { credits }
    })
  })
  // Also when it had been made before: whoever made it may have ended before this line.
  await cache.invalidateTags(tagsOfUser(userId))
  return result
}
