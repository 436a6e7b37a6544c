import { Type } from '@fastify/type-provider-typebox'

/** A cache key as it comes from outside: readable, bounded, and without glob characters. */
export const Key = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^[A-Za-z0-9_][A-Za-z0-9_:.@/-]*$',
})

/** As {@link Key}, with the wildcards `*` and `?`. */
export const KeyPattern = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: '^[A-Za-z0-9_*?][A-Za-z0-9_:.@/*?-]*$',
})

/** BullMQ takes no colon in an id and no id that looks like one of its own numbers. */
export const JobId = Type.String({ maxLength: 64, pattern: '^[A-Za-z_][A-Za-z0-9_-]*$' })

/** A user's number, in an address. */
export const UserId = Type.String({ pattern: '^[1-9][0-9]{0,8}$' })

/** What people write on one line: no control characters, one of which Postgres would not take. */
export const Line = (maxLength: number) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001F\\u007F]+$' })

export const User = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  email: Type.String(),
  plan: Type.Union([Type.Literal('free'), Type.Literal('team'), Type.Literal('business')]),
  credits: Type.Integer(),
  version: Type.Integer(),
  updatedAt: Type.String(),
})

/** What may be changed of a user; at least one of it. */
export const UserChanges = Type.Object(
  {
    name: Type.Optional(Line(200)),
    email: Type.Optional(
      Type.String({ maxLength: 320, pattern: '^[^\\s@\\u0000-\\u001F]+@[^\\s@\\u0000-\\u001F]+$' }),
    ),
    plan: Type.Optional(
      Type.Union([Type.Literal('free'), Type.Literal('team'), Type.Literal('business')]),
    ),
    credits: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000_000 })),
  },
  { additionalProperties: false, minProperties: 1 },
)
