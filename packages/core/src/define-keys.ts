import { describeValue, encodePart, escapeGlob } from '@corral/connection'

/** What a placeholder may be filled with; numbers must be finite. */
export type KeyPart = string | number | bigint | boolean

/** The names in the braces of a template, in order. */
type Names<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? [Name, ...Names<Rest>]
  : []

type AsParts<List extends readonly unknown[]> = { [Index in keyof List]: KeyPart }
type Parts<Template extends string> = AsParts<Names<Template>>
type SomeParts<List extends readonly unknown[]> = List extends readonly [infer First, ...infer Rest]
  ? [] | [First, ...SomeParts<Rest>]
  : []

/** Builds the keys of one template. */
export interface KeyBuilder<Template extends string> {
  /**
   * The key with its placeholders filled, in order. Each part is encoded, `:` included, so parts
   * can never run into each other: `('1:admin', 'x')` and `('1', 'admin:x')` are two keys.
   *
   * @throws TypeError for a part that is no string, finite number, bigint or boolean
   */
  (...parts: Parts<Template>): string
  readonly template: Template
  /**
   * A pattern for `deletePattern` and `keys`: the parts given, `*` for the others. Characters that
   * mean something in a pattern are escaped.
   */
  pattern(...parts: SomeParts<Parts<Template>>): string
  /** The parts of a key that this template built, by name; `undefined` for any other. */
  parse(key: string): { readonly [Name in Names<Template>[number]]: string } | undefined
  /** Whether this template built the key. */
  validate(key: string): boolean
}

/** One builder for each template. */
export type KeyBuilders<Templates extends Readonly<Record<string, string>>> = {
  readonly [Name in keyof Templates]: KeyBuilder<Templates[Name]>
}

/**
 * Typed builders for the keys of an application, so that no key is spelled by hand.
 *
 * @param templates a key layout for each name, such as `'user:{id}:credits'`
 * @throws TypeError for a template with broken braces, a repeated placeholder or a wildcard
 * @example
 * ```ts
 * import { createCache, defineKeys } from '@corral/core'
 *
 * const keys = defineKeys({ user: 'user:{id}', credits: 'user:{id}:credits' })
 * keys.credits('123') // 'user:123:credits'
 * keys.credits.pattern() // 'user:*:credits'
 * keys.credits.parse('user:123:credits') // { id: '123' }
 *
 * const cache = createCache({ namespace: 'shop:v1' })
 * await cache.set(keys.user('123'), { name: 'Ada' })
 * await cache.close()
 * ```
 */
export function defineKeys<const Templates extends Readonly<Record<string, string>>>(
  templates: Templates,
): KeyBuilders<Templates> {
  const builders = Object.entries(templates).map(([name, template]) => [
    name,
    createBuilder(name, template),
  ])
  return Object.fromEntries(builders) as KeyBuilders<Templates>
}

function createBuilder(name: string, template: string): KeyBuilder<string> {
  const { literals, names } = split(name, template)
  const shape = new RegExp(`^${literals.map(escapeRegExp).join('([^:]*)')}$`, 'u')

  function join(fill: (index: number) => string, literal: (text: string) => string): string {
    let key = literal(literals[0] as string)
    for (let i = 0; i < names.length; i++) key += fill(i) + literal(literals[i + 1] as string)
    return key
  }

  function build(...parts: readonly KeyPart[]): string {
    if (parts.length !== names.length) {
      throw new TypeError(
        `${name}: '${template}' takes ${names.length} part${names.length === 1 ? '' : 's'}, received ${parts.length}`,
      )
    }
    return join(
      (i) => encodePart(partText(name, names[i] as string, parts[i])),
      (text) => text,
    )
  }

  function parse(key: string): Record<string, string> | undefined {
    const found = shape.exec(key)
    if (found === null) return undefined
    const parts: [string, string][] = []
    for (let i = 0; i < names.length; i++) {
      const encoded = found[i + 1] as string
      const part = decodePart(encoded)
      if (part === undefined) return undefined
      parts.push([names[i] as string, part])
    }
    return Object.fromEntries(parts)
  }

  return Object.assign(build, {
    template,
    pattern: (...parts: readonly KeyPart[]) =>
      join(
        (i) =>
          i < parts.length
            ? escapeGlob(encodePart(partText(name, names[i] as string, parts[i])))
            : '*',
        escapeGlob,
      ),
    parse,
    validate: (key: string) => parse(key) !== undefined,
  }) as KeyBuilder<string>
}

function split(name: string, template: string): { literals: string[]; names: string[] } {
  if (typeof template !== 'string') {
    throw new TypeError(
      `${name}: a key template must be a string, received ${describeValue(template)}`,
    )
  }
  const wrong = (rule: string): TypeError =>
    new TypeError(`${name}: a key template ${rule}, received '${template}'`)
  if (template === '') throw wrong('must not be empty')
  if (/[*?[\]\\%\s]/.test(template)) {
    throw wrong('must not hold wildcards, %, backslashes or white space')
  }
  const literals: string[] = []
  const names: string[] = []
  let rest = template
  for (;;) {
    const open = rest.indexOf('{')
    if (open < 0) break
    const close = rest.indexOf('}', open)
    const placeholder = rest.slice(open + 1, close)
    if (close < 0 || !/^[A-Za-z_]\w*$/.test(placeholder)) {
      throw wrong("must have placeholders such as '{id}'")
    }
    if (names.includes(placeholder)) throw wrong('must not repeat a placeholder')
    if (names.length > 0 && open === 0) throw wrong("must have a ':' between placeholders")
    literals.push(rest.slice(0, open))
    names.push(placeholder)
    rest = rest.slice(close + 1)
  }
  if (rest.includes('}')) throw wrong("must have placeholders such as '{id}'")
  literals.push(rest)
  // Parts cannot hold a ':', which is what keeps two of them apart.
  if (literals.slice(1, -1).some((literal) => !literal.includes(':'))) {
    throw wrong("must have a ':' between placeholders")
  }
  return { literals, names }
}

function partText(name: string, placeholder: string, part: unknown): string {
  if (typeof part === 'string') return part
  if (typeof part === 'bigint' || typeof part === 'boolean') return String(part)
  if (typeof part === 'number' && Number.isFinite(part)) return String(part)
  throw new TypeError(
    `${name}: {${placeholder}} must be a string, finite number, bigint or boolean, received ${part === null ? 'null' : typeof part}`,
  )
}

function decodePart(encoded: string): string | undefined {
  try {
    const part = decodeURIComponent(encoded)
    return encodePart(part) === encoded ? part : undefined
  } catch {
    return undefined
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
}
