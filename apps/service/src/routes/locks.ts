import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { Problem } from '../plugins/problem.ts'
import { Key } from './schemas.ts'

const DEFAULT_TTL = 30

const AcquireBody = Type.Object(
  {
    resource: Key,
    /** Seconds. */
    ttl: Type.Optional(Type.Number({ minimum: 1, maximum: 3600 })),
  },
  { additionalProperties: false },
)

const ReleaseBody = Type.Object(
  { key: Key, token: Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\w-]+$' }) },
  { additionalProperties: false },
)

/** Locks for callers outside of this process: held by whoever knows the token, until they run out. */
export const lockRoutes: RouteGroup =
  ({ locks }) =>
  async (app) => {
    app.post(
      '/api/cache/lock/acquire',
      { schema: { body: AcquireBody } },
      async ({ body, log }, reply) => {
        const { resource, ttl = DEFAULT_TTL } = body
        const lock = await locks.tryAcquire(resource, { ttl })
        reply.header('cache-control', 'no-store')
        if (lock === undefined) {
          throw new Problem(409, 'Somebody else holds this lock.', {
            members: { acquired: false, resource },
            headers: { 'retry-after': '1' },
          })
        }
        // Nobody here waits for its end; being told of it is also what lets go of it here.
        lock.signal.addEventListener('abort', () => log.debug({ resource }, 'a lock ran out'))
        const { name: key, token, fencingToken, expiresAt } = lock
        return { acquired: true, key, token, fencingToken, ttl, expiresAt }
      },
    )

    app.post('/api/cache/lock/release', { schema: { body: ReleaseBody } }, async ({ body }) => ({
      key: body.key,
      // False as well when it ran out before, or was given back already.
      released: await locks.release(body.key, body.token),
    }))
  }
