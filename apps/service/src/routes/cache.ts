import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { deletePattern } from '../delete-pattern.ts'
import { Problem, redisAway } from '../plugins/problem.ts'
import { goesPastCache } from './cache-control.ts'
import { Key, KeyPattern } from './schemas.ts'
import { warm } from './warm.ts'

const WarmBody = Type.Object(
  {
    keys: Type.Array(Key, { minItems: 1, maxItems: 1000 }),
    /** Seconds. */
    ttl: Type.Optional(Type.Number({ minimum: 1, maximum: 7 * 24 * 3600 })),
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
  ({ cache, config, connection, database, reader }) =>
  async (app) => {
    app.get(
      '/api/cache/:key',
      { schema: { params: Type.Object({ key: Key }) } },
      async (request, reply) => {
        const { key } = request.params
        const { value, from } = await reader.read(key, { bypass: goesPastCache(request, config) })
        reply.header('x-cache', from)
        if (value === null) throw new Problem(404, 'The source has nothing of this key.')
        return { key, value, cached: from === 'cache', from }
      },
    )

    app.post('/api/cache/warm', { schema: { body: WarmBody } }, async (request) => {
      // Without Redis it would be work for the source and for nobody else.
      if (!connection.available) throw redisAway()
      return warm(reader, request.body.keys, request.body.ttl)
    })

    app.post(
      '/api/cache/invalidate',
      { schema: { body: InvalidateBody } },
      async (request, reply) => {
        const { key, pattern } = request.body
        if (key !== undefined) {
          const acknowledged = await cache.delete(key)
          // Redis may have it still.
          return reply.code(acknowledged ? 200 : 202).send({ key, acknowledged })
        }
        if (pattern !== undefined) {
          return { pattern, deleted: await deletePattern(connection, cache, pattern) }
        }
        throw new Problem(501, 'Entries carry no tags yet.')
      },
    )

    app.get('/api/cache/stats', async () => ({
      ...(await cache.stats()),
      source: { queries: database.queries },
    }))
  }
