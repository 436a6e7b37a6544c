import { Type } from '@fastify/type-provider-typebox'
import type { RouteGroup } from '../context.ts'
import { Problem } from '../plugins/problem.ts'
import { Key } from './schemas.ts'

const PREFIX = 'result:'

const PutBody = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          key: Key,
          value: Type.Unknown(),
          /** Seconds. */
          ttl: Type.Optional(Type.Number({ minimum: 1, maximum: 7 * 24 * 3600 })),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 500 },
    ),
  },
  { additionalProperties: false },
)

/** Keys with commas between them. */
const Query = Type.Object(
  {
    keys: Type.String({
      maxLength: 10_000,
      pattern: '^[A-Za-z0-9_][A-Za-z0-9_:.@/-]*(,[A-Za-z0-9_][A-Za-z0-9_:.@/-]*){0,99}$',
    }),
  },
  { additionalProperties: false },
)

/** What batch jobs computed elsewhere: many values written at once, many read at once. */
export const resultRoutes: RouteGroup =
  ({ client }) =>
  async (app) => {
    app.put('/api/results', { schema: { body: PutBody } }, async ({ body }) => {
      const entries = body.entries.map((entry) => ({ ...entry, key: PREFIX + entry.key }))
      const { ok, done, failed } = await client.bulkSet(entries)
      if (!ok) {
        throw new Problem(503, 'Not all results could be kept; send those that failed again.', {
          members: { done, failed: failed.map(bare) },
          headers: { 'retry-after': '1' },
        })
      }
      return { done }
    })

    app.get('/api/results', { schema: { querystring: Query } }, async ({ query }) => {
      const keys = query.keys.split(',')
      const values = await client.bulkGet(keys.map((key) => PREFIX + key))
      const found = keys.map((key, index) => ({ key, value: values[index] }))
      // A key that Redis could not answer for may have a value all the same.
      const unreachable = new Set(values.failed.map(bare))
      const absent = found.filter(({ value }) => value === undefined).map(({ key }) => key)
      return {
        results: found.filter(({ value }) => value !== undefined),
        missing: absent.filter((key) => !unreachable.has(key)),
        unreachable: absent.filter((key) => unreachable.has(key)),
      }
    })
  }

function bare(key: string): string {
  return key.slice(PREFIX.length)
}
