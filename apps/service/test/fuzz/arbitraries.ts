import fc from 'fast-check'

/** As much of JSON Schema as the routes use. */
export interface Schema {
  readonly type?: string
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
}

/** Names that some route gives a meaning, and names that JavaScript does. */
const NAMES = ['value', 'percentage', 'variants', 'rules', 'if', 'constructor', 'toString', '']

/** Texts that mean something to somebody on the way. */
const TEXTS = [
  '',
  ' ',
  '*',
  'user:1',
  'user:*',
  '__proto__',
  'constructor',
  '..',
  '../../etc/passwd',
  '%00',
  '\u0000',
  'a\r\nb',
  '{a}',
  'é漢🎉',
  '\uD800',
  "';--",
  '1e999',
  'x'.repeat(1200),
]

/** Longest array that is made; longer ones only take longer. */
const MANY = 6

/** A value that a schema takes. */
export function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting))
  switch (schema.type) {
    case 'string':
      return text(schema)
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000 })
    case 'number':
      return fc.double({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(fitting(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? MANY, MANY),
      })
    case 'object':
      return object(schema)
    default:
      return fc.jsonValue({ maxDepth: 3 })
  }
}

function text({ pattern, minLength = 0, maxLength = 1000 }: Schema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.min(maxLength, 50) })
  return fc
    .stringMatching(new RegExp(pattern))
    .filter(({ length }) => length >= minLength && length <= maxLength)
}

function object(schema: Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties, minProperties = 0 } = schema
  const { maxProperties = Infinity } = schema
  if (additionalProperties === true) {
    const names = fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 20 }))
    return fc.dictionary(names, fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 4,
      noNullPrototype: true,
    })
  }
  const model = Object.entries(properties).map(([name, of]) => [name, fitting(of)] as const)
  return fc
    .record(Object.fromEntries(model), { requiredKeys: [...required], noNullPrototype: true })
    .filter((value) => {
      const { length } = Object.keys(value)
      return length >= minProperties && length <= maxProperties
    })
}

/** A value that is wrong for most schemas. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[[]]]),
  fc.constantFrom(...TEXTS),
  fc.jsonValue({ maxDepth: 2 }),
)

/** A value that a schema would take, but for one place. */
export function almost(schema: Schema): fc.Arbitrary<unknown> {
  return fc
    .tuple(fitting(schema), fc.nat(), odd, fc.constantFrom('replace', 'remove', 'add'))
    .map(([value, place, other, change]) => altered(value, place, other, change))
}

function altered(value: unknown, place: number, other: unknown, change: string): unknown {
  if (typeof value !== 'object' || value === null) return other
  if (Array.isArray(value)) {
    if (value.length === 0 || change === 'add') return [...(value as unknown[]), other]
    const at = place % value.length
    return value.map((one: unknown, index) =>
      index === at ? altered(one, place >> 2, other, change) : one,
    )
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || change === 'add') return { ...value, [`extra${place % 3}`]: other }
  const at = place % entries.length
  if (change === 'remove') return Object.fromEntries(entries.filter((_, index) => index !== at))
  return Object.fromEntries(
    entries.map(([name, one], index) => [
      name,
      index === at ? altered(one, place >> 2, other, change) : one,
    ]),
  )
}

/** Text that is JSON at best by accident, or JSON that was meant to do harm. */
export const brokenJson: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.json().map((json) => json.slice(0, -1)),
  fc.constantFrom(
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"value":{"__proto__":{"polluted":true}}}',
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
    '{"userId":1,"userId":"2"}',
    '\uFEFF{}',
  ),
)

/** A part of an address. */
export function pathPart(schema: Schema | undefined): fc.Arbitrary<string> {
  const known = fc.constantFrom('1', '7', '200', 'user:1', 'report:a', 'watched', 'known-flag')
  const strange = fc.oneof(fc.constantFrom(...TEXTS), fc.string())
  return fc.oneof(
    {
      weight: 4,
      arbitrary: schema === undefined ? known : (fitting(schema) as fc.Arbitrary<string>),
    },
    { weight: 2, arbitrary: known },
    { weight: 2, arbitrary: strange },
  )
}
