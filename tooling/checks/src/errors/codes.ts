import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { isSource, listFiles } from '../files.ts'
import { root, workspaceMembers } from '../repository.ts'

export interface DeclaredCode {
  readonly code: string
  readonly package: string
}

export interface DeclaredReason {
  readonly reason: string
  readonly package: string
}

/** The strings in every exported `…Codes` of an `errors.ts`. */
export function codesIn(
  file: string,
  text: string = readFileSync(file, 'utf8'),
): readonly string[] {
  const found: string[] = []
  new Visitor({
    ExportNamedDeclaration: (node) => {
      if (node.declaration?.type !== 'VariableDeclaration') return
      for (const { id, init } of node.declaration.declarations)
        if (id.type === 'Identifier' && /codes$/i.test(id.name) && init)
          found.push(...codesOf(text.slice(init.start, init.end)))
    },
  }).visit(parseSync(file, text).program)
  return found
}

/** Why an error of a code comes: the members of every exported type `…Reason` of an `errors.ts`. */
export function reasonsIn(
  file: string,
  text: string = readFileSync(file, 'utf8'),
): readonly string[] {
  const found: string[] = []
  new Visitor({
    TSTypeAliasDeclaration: ({ id, typeAnnotation: { start, end } }) => {
      if (id.name.endsWith('Reason'))
        found.push(...[...text.slice(start, end).matchAll(/'([a-z-]+)'/g)].map((m) => m[1] ?? ''))
    },
  }).visit(parseSync(file, text).program)
  return found
}

function codesOf(expression: string): readonly string[] {
  return [...expression.matchAll(/['"`]([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)['"`]/g)].map(
    (m) => m[1] ?? '',
  )
}

/** What the published packages below `base` declare. */
export function declaredCodes(base: string = root): readonly DeclaredCode[] {
  return errorFiles(base).flatMap(({ name, file }) =>
    codesIn(file).map((code) => ({ code, package: name })),
  )
}

export function declaredReasons(base: string = root): readonly DeclaredReason[] {
  return errorFiles(base).flatMap(({ name, file }) =>
    reasonsIn(file).map((reason) => ({ reason, package: name })),
  )
}

function errorFiles(base: string): readonly { readonly name: string; readonly file: string }[] {
  return workspaceMembers(base)
    .filter((member) => member.group === 'packages')
    .map((member) => ({ name: member.name, file: join(member.folder, 'src/errors.ts') }))
    .filter(({ file }) => existsSync(file))
}

/** `new CorralError('CODE', …)` in the sources with a code that nobody declared. */
export function undeclaredCodes(base: string = root): readonly string[] {
  const declared = new Set(declaredCodes(base).map(({ code }) => code))
  const faults: string[] = []
  for (const member of workspaceMembers(base).filter(({ group }) => group === 'packages')) {
    for (const file of listFiles(join(member.folder, 'src'), isShipped)) {
      for (const code of thrownCodes(file))
        if (!declared.has(code)) faults.push(`${relative(base, file)}: ${code} is in no errors.ts`)
    }
  }
  return faults
}

/** A source that users get, not a test of it. */
export function isShipped(name: string): boolean {
  return isSource(name) && !/\.test(-d)?\.ts$/.test(name)
}

function thrownCodes(file: string): readonly string[] {
  const found: string[] = []
  new Visitor({
    NewExpression: (node) => {
      const [first] = node.arguments
      const isOurs = node.callee.type === 'Identifier' && node.callee.name === 'CorralError'
      if (isOurs && first?.type === 'Literal' && typeof first.value === 'string')
        found.push(first.value)
    },
  }).visit(parseSync(file, readFileSync(file, 'utf8')).program)
  return found
}
