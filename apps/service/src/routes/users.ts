import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import type { User as UserRow } from '../database.ts'
import { Problem } from '../plugins/problem.ts'
import { tagsOfUser, userKey } from '../source.ts'
import { goesPastCache } from './cache-control.ts'
import { JobId, User, UserChanges, UserId } from './schemas.ts'

const Params = Type.Object({ id: UserId })

const CreditsBody = Type.Object(
  { amount: Type.Integer({ minimum: 1, maximum: 1_000_000 }), id: Type.Optional(JobId) },
  { additionalProperties: false },
)

/** Users: read through the cache, written to the database, then invalidated by tag. */
export const userRoutes: RouteGroup =
  ({ cache, config, database, queue, reader }) =>
  async (app) => {
    app.get(
      '/api/users/:id',
      { schema: { params: Params, response: { 200: User } } },
      async (request, reply) => {
        const id = Number(request.params.id)
        const bypass = goesPastCache(request, config)
        const { value, from } = await reader.read(userKey(id), { bypass })
        reply.header('x-cache', from)
        if (value === null) throw noUser(id)
        return value as UserRow
      },
    )

    app.put(
      '/api/users/:id',
      { schema: { params: Params, body: UserChanges, response: { 200: User } } },
      async (request, reply) => {
        const id = Number(request.params.id)
        const user = await database.updateUser(id, request.body)
        if (user === undefined) throw noUser(id)
        // The database has it; that Redis could not be told yet is no failure of the write. Until it
        // is told, this process asks the source.
        const told = await cache.invalidateTags(tagsOfUser(id))
        reply.header('x-cache-invalidation', told ? 'done' : 'pending')
        return user
      },
    )

    app.post(
      '/api/users/:id/credits',
      { schema: { params: Params, body: CreditsBody } },
      async (request, reply) => {
        const userId = Number(request.params.id)
        const { amount, id: wanted } = request.body
        if ((await database.user(userId)) === undefined) throw noUser(userId)
        const id = await queue.add('grant', { userId, amount }, wanted)
        return reply.code(202).header('location', `/api/jobs/${id}`).send({ id })
      },
    )
  }

function noUser(id: number): Problem {
  return new Problem(404, `There is no user ${id}.`)
}
