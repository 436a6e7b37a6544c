import type { Cache } from '@corral/core'
import type { Locks } from '@corral/locks'
import type { Database } from '../database.ts'
import type { JobHandlers } from '../queue.ts'
import type { Reader } from '../reader.ts'
import { userKey, type Source } from '../source.ts'
import { grantCredits } from './grant-credits.ts'
import { warmKeys } from './warm-keys.ts'

/** What the worker does with each kind of job. */
export function createHandlers(deps: {
  readonly cache: Cache
  readonly database: Database
  readonly locks: Locks
  readonly reader: Reader
  readonly source: Source
}): JobHandlers {
  return {
    async refresh({ userId }) {
      await deps.reader.read(userKey(userId), { fresh: true })
      return {}
    },
    warm: ({ keys, ttl }, { report }) => warmKeys(deps, keys, ttl, report),
    grant: ({ userId, amount }, { id }) => grantCredits(deps, { id, userId, amount }),
  }
}
