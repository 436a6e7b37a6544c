import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { Problem } from '../plugins/problem.ts'
import { JobId } from './schemas.ts'

const AddBody = Type.Object(
  { userId: Type.Integer({ minimum: 1, maximum: 999_999_999 }), id: Type.Optional(JobId) },
  { additionalProperties: false },
)

/** Jobs behind the requests, on the connection that the cache uses, too. */
export const jobRoutes: RouteGroup =
  ({ queue }) =>
  async (app) => {
    app.post('/api/jobs', { schema: { body: AddBody } }, async ({ body }, reply) => {
      const id = await queue.add('refresh', { userId: body.userId }, body.id)
      return reply.code(202).header('location', `/api/jobs/${id}`).send({ id })
    })

    app.get('/api/jobs', () => queue.counts())

    app.get(
      '/api/jobs/:id',
      { schema: { params: Type.Object({ id: JobId }) } },
      async (request) => {
        const job = await queue.job(request.params.id)
        if (job === undefined) throw new Problem(404, 'There is no job of this id.')
        return job
      },
    )
  }
