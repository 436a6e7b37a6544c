import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { watchFailures } from '../invalidation-failures.ts'
import { Problem } from '../plugins/problem.ts'
import { goesPastCache } from './cache-control.ts'
import { JobId, Key, KeyPattern } from './schemas.ts'

const WarmBody = Type.Object(
  {
    keys: Type.Array(Key, { minItems: 1, maxItems: 1000 }),
    /** Seconds. */
    ttl: Type.Optional(Type.Number({ minimum: 1, maximum: 7 * 24 * 3600 })),
    id: Type.Optional(JobId),
  },
  { additionalProperties: false },
)

/** Exactly one of them. */
const InvalidateBody = Type.Object(
  {
    key: Type.Optional(Key),
    pattern: Type.Optional(KeyPattern),
    tags: Type.Optional(Type.Array(Key, { minItems: 1, maxItems: 100 })),
  },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
)

/** The cache itself: look at a key, fill it ahead, drop entries, count. */
export const cacheRoutes: RouteGroup =
  ({ cache, config, database, queue, reader }) =>
  async (app) => {
    const failures = watchFailures(cache.namespace)
    app.addHook('onClose', async () => failures.close())

    app.get(
      '/api/cache/:key',
      { schema: { params: Type.Object({ key: Key }) } },
      async (request, reply) => {
        const { key } = request.params
        const { value, from } = await reader.read(key, { bypass: goesPastCache(request, config) })
        reply.header('x-cache', from)
        if (value === null) throw new Problem(404, 'The source has nothing of this key.')
        return { key, value, cached: from !== 'source' && from !== 'shared', from }
      },
    )

    // A job, so that it goes on when its caller is gone, and any process can tell how far it is.
    app.post('/api/cache/warm', { schema: { body: WarmBody } }, async ({ body }, reply) => {
      const { id: wanted, ...keys } = body
      const id = await queue.add('warm', keys, wanted)
      return reply.code(202).header('location', `/api/jobs/${id}`).send({ id })
    })

    app.post(
      '/api/cache/invalidate',
      { schema: { body: InvalidateBody } },
      async ({ body }, reply) => {
        const { key, pattern, tags } = body
        const answer = (acknowledged: boolean, members: object): unknown =>
          // What Redis was not told of is in force in this process, and will be told.
          reply.code(acknowledged ? 200 : 202).send({ ...members, acknowledged })

        if (key !== undefined) return answer(await cache.delete(key), { key })
        if (tags !== undefined) return answer(await cache.invalidateTags(tags), { tags })
        const failedBefore = failures.count
        const deleted = await cache.deletePattern(pattern ?? '')
        return answer(failures.count === failedBefore, { pattern, deleted })
      },
    )

    app.get('/api/cache/stats', async () => ({
      ...(await cache.stats()),
      source: { queries: database.queries },
    }))
  }
