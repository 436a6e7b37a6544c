import { readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'oxc-parser'

export interface FoundImport {
  readonly specifier: string
  readonly line: number
}

/** The calls that load, resolve or replace a module and take its name first. */
const LOADERS = new Set([
  'require',
  'require.resolve',
  'import.meta.resolve',
  'vi.mock',
  'vi.doMock',
  'vi.importActual',
  'vi.importMock',
])

/**
 * Every module that a file names: import and export … from, type-only ones, `import()` of values
 * and of types, `require` and its relatives, triple-slash references. A dynamic import whose
 * argument is no plain string is reported as `<computed>`: nobody can check it.
 */
export function scanImports(
  file: string,
  text: string = readFileSync(file, 'utf8'),
): readonly FoundImport[] {
  const parsed = parseSync(file, text)
  const [fault] = parsed.errors
  if (fault) throw new SyntaxError(`${file}: ${fault.message}`)

  const found: FoundImport[] = []
  const add = (specifier: string, offset: number): void => {
    found.push({ specifier, line: lineAt(text, offset) })
  }

  new Visitor({
    ImportDeclaration: (node) => add(node.source.value, node.start),
    ExportAllDeclaration: (node) => add(node.source.value, node.start),
    ExportNamedDeclaration: (node) => {
      if (node.source) add(node.source.value, node.start)
    },
    ImportExpression: (node) => add(literal(node.source) ?? '<computed>', node.start),
    TSImportType: (node) => add(node.source.value, node.start),
    TSExternalModuleReference: (node) => add(literal(node.expression) ?? '<computed>', node.start),
    CallExpression: (node) => {
      const specifier = literal(node.arguments[0])
      if (specifier !== undefined && LOADERS.has(text.slice(node.callee.start, node.callee.end)))
        add(specifier, node.start)
    },
  }).visit(parsed.program)

  for (const comment of parsed.comments) {
    const reference = /^\/\s*<reference\s+(?:types|path)=["']([^"']+)["']/.exec(comment.value)
    if (reference?.[1] !== undefined) add(reference[1], comment.start)
  }
  return found
}

function literal(node: { readonly type: string } | null | undefined): string | undefined {
  if (node?.type === 'Literal' && 'value' in node && typeof node.value === 'string')
    return node.value
  if (node?.type !== 'TemplateLiteral' || !('quasis' in node) || !Array.isArray(node.quasis))
    return undefined
  const [only, ...more] = node.quasis as readonly { readonly value: { readonly cooked: string } }[]
  return more.length === 0 ? only?.value.cooked : undefined
}

function lineAt(text: string, offset: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < offset; i = text.indexOf('\n', i + 1)) line++
  return line
}
