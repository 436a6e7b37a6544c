import { bearerToken } from '@corral/auth-cache/fastify'
import { rateLimitPlugin } from '@corral/client/fastify'
import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { loginLimit } from '../login-limit.ts'
import { logOutEverywhere } from '../log-out-everywhere.ts'
import { Problem } from '../plugins/problem.ts'
import { userKey } from '../source.ts'
import { UserId } from './schemas.ts'

const LoginBody = Type.Object(
  { userId: Type.Integer({ minimum: 1, maximum: 999_999_999 }) },
  { additionalProperties: false },
)

/**
 * Logging in and out for programs. Who logs somebody in has the API key and has checked who it is; from
 * then on the token says it. A token is taken away at the source first and then from the auth cache,
 * so that it is refused everywhere from the moment the answer comes.
 */
export const tokenRoutes: RouteGroup = (context) => async (app) => {
  const { auth, reader, tokens } = context
  await app.register(rateLimitPlugin, {
    ...loginLimit(context),
    hook: 'preHandler',
    global: false,
  })

  app.post(
    '/api/tokens',
    { schema: { body: LoginBody }, config: { rateLimit: true } },
    async (request, reply) => {
      const { userId } = request.body
      const { value } = await reader.read(userKey(userId))
      if (value === null) throw new Problem(404, `There is no user ${userId}.`)
      const { token, expiresAt } = await tokens.issue(userId)
      return reply.code(201).header('cache-control', 'no-store').send({ token, userId, expiresAt })
    },
  )

  app.delete(
    '/api/token',
    { onRequest: app.authenticate, config: { public: true } },
    async (request, reply) => {
      const token = bearerToken(request) ?? ''
      await tokens.revoke(token)
      await auth.revokeToken(token)
      return reply.code(204).send()
    },
  )

  app.delete(
    '/api/tokens',
    { onRequest: app.authenticate, config: { public: true } },
    async (request, reply) => {
      await logOutEverywhere(context, Number(request.identity?.userId))
      return reply.code(204).send()
    },
  )

  app.delete(
    '/api/users/:id/tokens',
    { schema: { params: Type.Object({ id: UserId }) } },
    async (request, reply) => {
      await logOutEverywhere(context, Number(request.params.id))
      return reply.code(204).send()
    },
  )
}
