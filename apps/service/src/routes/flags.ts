import type { FlagContext, FlagInput } from '@corral/client'
import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import type { User } from '../database.ts'
import { Problem, redisAway } from '../plugins/problem.ts'
import { userKey } from '../source.ts'
import { within } from '../within.ts'
import { UserId } from './schemas.ts'

/** Longest that a request waits until the flags were read for the first time. */
const READ_LIMIT_MS = 1000

const Params = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[A-Za-z][\\w.-]*$' }),
})
const Members = Type.Object({}, { additionalProperties: true })

const notes = {
  enabled: Type.Optional(Type.Boolean()),
  description: Type.Optional(Type.String()),
}
const targeting = {
  ...notes,
  rules: Type.Optional(Type.Array(Members, { maxItems: 100 })),
  stickBy: Type.Optional(Type.String()),
  salt: Type.Optional(Type.String()),
}
const strict = { additionalProperties: false }

/** A value for all, a percentage, or a definition in full; what fits together in it is for the client to say. */
const FlagBody = Type.Union([
  Type.Object({ ...notes, value: Type.Unknown() }, strict),
  Type.Object({ ...targeting, percentage: Type.Number({ minimum: 0, maximum: 100 }) }, strict),
  Type.Object(
    {
      ...targeting,
      variants: Members,
      fallthrough: Type.String(),
      rollout: Type.Optional(Members),
    },
    strict,
  ),
])
const Query = Type.Object({ user: Type.Optional(UserId) }, { additionalProperties: false })

/** Feature flags: decided here without asking Redis, changed for every process at once. */
export const flagRoutes: RouteGroup =
  ({ client: { flags }, connection, reader }) =>
  async (app) => {
    /** What rules may go by. */
    async function contextOf(id: string | undefined): Promise<FlagContext> {
      if (id === undefined) return {}
      const { value } = await reader.read(userKey(Number(id)))
      if (value === null) throw new Problem(404, `There is no user ${id}.`)
      const { plan, credits } = value as User
      return { targetingKey: id, plan, credits }
    }

    app.get('/api/flags', async () => {
      await readOnce()
      return { state: flags.state, flags: flags.names() }
    })

    app.get(
      '/api/flags/:name',
      { schema: { params: Params, querystring: Query } },
      async (request) => {
        await readOnce()
        const { name } = request.params
        const definition = flags.definition(name)
        if (definition === undefined) throw new Problem(404, 'There is no flag of this name.')
        // What a caller expects decides the type; here it is whatever the flag has.
        const fallback = definition.variants[definition.fallthrough]
        return { name, ...flags.evaluate(name, fallback, await contextOf(request.query.user)) }
      },
    )

    app.put('/api/flags/:name', { schema: { params: Params, body: FlagBody } }, async (request) => {
      const { name } = request.params
      try {
        await flags.set(name, request.body as FlagInput)
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) {
          throw new Problem(400, error.message)
        }
        throw error
      }
      return { name }
    })

    app.delete('/api/flags/:name', { schema: { params: Params } }, async (request, reply) => {
      if (!(await flags.delete(request.params.name))) {
        throw new Problem(404, 'There is no flag of this name.')
      }
      return reply.code(204).send()
    })

    /** Until they were read for the first time there is nothing to decide by. */
    async function readOnce(): Promise<void> {
      if (flags.state !== 'starting') return
      const read = connection.available && (await within(flags.ready(), READ_LIMIT_MS)).done
      if (!read) throw redisAway()
    }
  }
