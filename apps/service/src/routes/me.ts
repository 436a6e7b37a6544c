import { rateLimitPlugin } from '@corral/client/fastify'
import { Type } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import type { RouteGroup } from '../context.ts'
import { Problem, redisAway } from '../plugins/problem.ts'
import { userKey } from '../source.ts'

/** How long a draft is kept. */
const DRAFT_TTL = '1h'

const DraftParams = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\w.-]+$' }),
})
const Draft = Type.Object({}, { additionalProperties: true })

/**
 * What belongs to the user of a token, who is known by it alone: no address names a user. Drafts are a
 * user cache: each under its name, all of a user's gone in one step.
 */
export const meRoutes: RouteGroup =
  ({ client, config, reader }) =>
  async (app) => {
    const perUser = client.rateLimiter({
      algorithm: 'sliding-window',
      window: '1m',
      name: 'me',
      limit: config.userLimit,
    })
    // After authentication, as it counts by user.
    await app.register(rateLimitPlugin, { limiter: perUser, hook: 'preHandler', subject: userOf })
    app.addHook('onSend', async (_, reply) => {
      reply.header('cache-control', 'no-store')
    })

    app.get('/api/me', { onRequest: app.authenticate }, async (request) => {
      const { value } = await reader.read(userKey(Number(userOf(request))))
      return { user: value }
    })

    app.get(
      '/api/me/drafts/:name',
      { schema: { params: DraftParams }, onRequest: app.authenticate },
      async (request) => {
        const { name } = request.params
        const value = await client.getUserCache(userOf(request), name)
        if (value === undefined) throw new Problem(404, 'There is no draft of this name.')
        return { name, value }
      },
    )

    app.put(
      '/api/me/drafts/:name',
      {
        schema: { params: DraftParams, body: Draft },
        onRequest: app.authenticate,
        config: { public: true },
      },
      async (request, reply) => {
        const { name } = request.params
        const kept = await client.setUserCache(userOf(request), name, request.body, DRAFT_TTL)
        if (!kept) throw redisAway()
        return reply.code(204).send()
      },
    )

    app.delete(
      '/api/me/drafts',
      { onRequest: app.authenticate, config: { public: true } },
      async (request, reply) => {
        // What Redis was not told of is in force in this process, and will be told.
        const told = await client.deleteUserCache(userOf(request))
        return reply.code(told ? 204 : 202).send()
      },
    )
  }

function userOf(request: FastifyRequest): string {
  return request.identity?.userId ?? ''
}
