import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codesIn, declaredCodes, undeclaredCodes } from '../src/errors/codes.ts'
import { codeDifferences } from '../src/errors/documented.ts'
import { root } from '../src/repository.ts'
import { createScratch } from '../src/scratch.ts'

describe('error codes', () => {
  it('are the same in docs/errors.md and in the sources', () => {
    const declared = declaredCodes().map(({ code }) => code)
    expect(declared).toContain('REDIS_UNAVAILABLE')
    expect(codeDifferences(declared, readFileSync(join(root, 'docs/errors.md'), 'utf8'))).toEqual(
      [],
    )
  })

  it('are declared before they are thrown', () => {
    expect(undeclaredCodes()).toEqual([])
  })

  it('are declared by one package each', () => {
    const codes = declaredCodes().map(({ code }) => code)
    expect(codes).toEqual([...new Set(codes)])
  })
})

describe('a planted fault', () => {
  it('is reported in both directions', () => {
    const page =
      '# Errors\n\n## `IN_BOTH`\n\n| Code | Cause |\n| --- | --- |\n| `ONLY_HERE` | `IN_TEXT` |\n'
    expect(codeDifferences(['IN_BOTH', 'ONLY_THERE'], page)).toEqual([
      'ONLY_THERE is not documented',
      'ONLY_HERE is not declared',
    ])
  })

  it('is reported when a thrown code is declared nowhere', () => {
    using scratch = createScratch('errors')
    scratch.write('packages/connection/package.json', `{ "name": "@corral/connection" }`)
    scratch.write(
      'packages/connection/src/errors.ts',
      `export const connectionCodes = ['ONE_CODE'] as const`,
    )
    scratch.write(
      'packages/connection/src/use.ts',
      `throw Math.random() > 1 ? new CorralError('ONE_CODE') : new CorralError('OTHER_CODE')`,
    )
    expect(undeclaredCodes(scratch.folder)).toEqual([
      'packages/connection/src/use.ts: OTHER_CODE is in no errors.ts',
    ])
  })
})

it('codes are read from arrays and objects', () => {
  const text = `export const aCodes = ['A_ONE', 'A_TWO'] as const
export const BCodes = { one: 'B_ONE' } as const
export const other = 'NOT_THIS'`
  expect(codesIn('errors.ts', text)).toEqual(['A_ONE', 'A_TWO', 'B_ONE'])
})
