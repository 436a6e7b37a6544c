import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { listFiles } from '../files.ts'
import { root, workspaceMembers } from '../repository.ts'
import { isShipped } from './codes.ts'

/**
 * The codes of process warnings in a file: of literals `CORRAL_…`, and of interfaces `…Warning`,
 * whose `code` is emitted with that prefix.
 */
export function warningCodesIn(text: string, file: string): readonly string[] {
  const found: string[] = []
  new Visitor({
    Literal: ({ value }) => {
      if (typeof value === 'string' && /^CORRAL_[A-Z0-9_]+$/.test(value)) found.push(value)
    },
    TSInterfaceDeclaration: ({ id, body }) => {
      if (!id.name.endsWith('Warning')) return
      for (const { start, end } of body.body.filter((member) => isCode(member)))
        for (const [, code] of text.slice(start, end).matchAll(/'([A-Z][A-Z0-9_]*)'/g))
          found.push(`CORRAL_${code}`)
    },
  }).visit(parseSync(file, text).program)
  return [...new Set(found)]
}

function isCode(member: { readonly type: string; readonly key?: object }): boolean {
  return (
    member.type === 'TSPropertySignature' &&
    member.key !== undefined &&
    'name' in member.key &&
    member.key.name === 'code'
  )
}

/** What the published packages below `base` may warn of. */
export function warningCodes(base: string = root): readonly string[] {
  const files = workspaceMembers(base)
    .filter(({ group }) => group === 'packages')
    .flatMap(({ folder }) => listFiles(join(folder, 'src'), isShipped))
  return [...new Set(files.flatMap((file) => warningCodesIn(readFileSync(file, 'utf8'), file)))]
}
