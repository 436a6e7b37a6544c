import { rateLimitPlugin } from '@corral/client/fastify'
import { Type } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RouteGroup } from '../context.ts'
import { loginLimit } from '../login-limit.ts'
import { logOutEverywhere } from '../log-out-everywhere.ts'
import { Problem } from '../plugins/problem.ts'
import { createSessionCookie } from '../session-cookie.ts'
import { userKey } from '../source.ts'
import { Line } from './schemas.ts'

const LoginBody = Type.Object(
  {
    userId: Type.Integer({ minimum: 1, maximum: 999_999_999 }),
    /** What the user is shown in the list of sessions. */
    label: Type.Optional(Line(100)),
  },
  { additionalProperties: false },
)

const HandleParams = Type.Object({
  handle: Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\w.:-]+$' }),
})

/** What stands in a session. */
interface SessionData {
  readonly userId: number
}

/** Whose session a request carries. */
interface Login extends SessionData {
  readonly id: string
}

/**
 * Logging in, looking and logging out. Who logs somebody in has the API key and has checked who it is;
 * from then on the cookie says it. No page of another site can send the cookie, so that changes need
 * nothing else.
 */
export const sessionRoutes: RouteGroup = (context) => async (app) => {
  const { client, config, reader } = context
  const cookie = createSessionCookie(config.environment === 'production')
  const perAddress = client.rateLimiter({
    algorithm: 'sliding-window',
    window: '1m',
    name: 'sessions',
    limit: config.sessionLimit,
  })
  // After the body is known, as logins are counted by user.
  await app.register(rateLimitPlugin, { limiter: perAddress, hook: 'preHandler' })

  async function loginOf(request: FastifyRequest, reply: FastifyReply): Promise<Login> {
    reply.header('cache-control', 'no-store')
    const id = cookie.read(request)
    const data = id === undefined ? undefined : await client.getSession<SessionData>(id)
    if (id === undefined || data === undefined) throw new Problem(401, 'There is no session.')
    return { ...data, id }
  }

  app.post(
    '/api/sessions',
    {
      schema: { body: LoginBody },
      config: { rateLimit: loginLimit(context) },
    },
    async (request, reply) => {
      const { userId, label } = request.body
      const { value } = await reader.read(userKey(userId))
      if (value === null) throw new Problem(404, `There is no user ${userId}.`)
      // Always a new id: one that somebody may have planted is of no use afterwards.
      const old = cookie.read(request)
      if (old !== undefined) await client.deleteSession(old)
      const data: SessionData = { userId }
      const { id, expiresAt } = await client.createSession(data, {
        userId: String(userId),
        ...(label === undefined ? {} : { label }),
      })
      cookie.write(reply, id, config.sessionAbsoluteTtlMs)
      return reply.code(201).send({ userId, expiresAt })
    },
  )

  app.get('/api/session', async (request, reply) => {
    const { userId } = await loginOf(request, reply)
    const { value } = await reader.read(userKey(userId))
    return { user: value }
  })

  app.delete('/api/session', { config: { public: true } }, async (request, reply) => {
    const { id } = await loginOf(request, reply)
    await client.deleteSession(id)
    cookie.clear(reply)
    return reply.code(204).send()
  })

  app.get('/api/sessions', async (request, reply) => {
    const { id, userId } = await loginOf(request, reply)
    return { sessions: await client.listUserSessions(String(userId), { current: id }) }
  })

  app.delete('/api/sessions', { config: { public: true } }, async (request, reply) => {
    const { userId } = await loginOf(request, reply)
    await logOutEverywhere(context, userId)
    cookie.clear(reply)
    return reply.code(204).send()
  })

  app.delete(
    '/api/sessions/:handle',
    { schema: { params: HandleParams }, config: { public: true } },
    async (request, reply) => {
      const { userId } = await loginOf(request, reply)
      const { handle } = request.params
      if (!(await client.deleteUserSession(String(userId), handle))) {
        throw new Problem(404, 'There is no session of this handle.')
      }
      return reply.code(204).send()
    },
  )
}
