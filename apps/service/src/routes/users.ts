import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import type { User as UserRow } from '../database.ts'
import { Problem } from '../plugins/problem.ts'
import { userKey } from '../source.ts'
import { goesPastCache } from './cache-control.ts'
import { User, UserChanges, UserId } from './schemas.ts'

const Params = Type.Object({ id: UserId })

/** Users: read through the cache, written to the database, then forgotten by the cache. */
export const userRoutes: RouteGroup =
  ({ cache, config, database, reader }) =>
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
        // The database has it; that the cache could not be told yet is no failure of the write.
        const gone = await cache.delete(userKey(id))
        reply.header('x-cache-invalidation', gone ? 'done' : 'unacknowledged')
        return user
      },
    )
  }

function noUser(id: number): Problem {
  return new Problem(404, `There is no user ${id}.`)
}
