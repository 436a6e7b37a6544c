import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  codesIn,
  declaredCodes,
  declaredReasons,
  reasonsIn,
  undeclaredCodes,
} from '../src/errors/codes.ts'
import { codeDifferences, thinEntries, undocumentedReasons } from '../src/errors/documented.ts'
import { warningCodes, warningCodesIn } from '../src/errors/warnings.ts'
import { root } from '../src/repository.ts'
import { createScratch } from '../src/scratch.ts'

const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')

describe('error codes', () => {
  it('and codes of warnings are the same in docs/errors.md and in the sources', () => {
    const declared = [...declaredCodes().map(({ code }) => code), ...warningCodes()]
    expect(declared).toEqual(expect.arrayContaining(['REDIS_UNAVAILABLE', 'CORRAL_SOCKET_TIMEOUT']))
    expect(codeDifferences(declared, page)).toEqual([])
  })

  it('have a cause and a cure there, and each of their reasons', () => {
    expect(thinEntries(page)).toEqual([])
    expect(declaredReasons().length).toBeGreaterThan(10)
    expect(undocumentedReasons(declaredReasons(), page)).toEqual([])
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
    const text =
      '# Errors\n\n## `IN_BOTH`\n\n| Code | Cause |\n| --- | --- |\n| `ONLY_HERE` | `IN_TEXT` |\n'
    expect(codeDifferences(['IN_BOTH', 'ONLY_THERE'], text)).toEqual([
      'ONLY_THERE is not documented',
      'ONLY_HERE is not declared',
    ])
  })

  it('is reported when a cause, a cure or a reason is missing', () => {
    const text =
      '## @corral/x\n\n### ONE\n\nA cause.\n\n### TWO\n\nA cause. A cure. `why`\n\n| `A_B` | cause |  |\n'
    expect(thinEntries(text)).toEqual([
      'ONE: wants a cause and a cure',
      '| `A_B` | cause |  |: wants a cause and a cure',
    ])
    const reasons = ['why', 'else'].map((reason) => ({ reason, package: '@corral/x' }))
    expect(undocumentedReasons(reasons, text)).toEqual([
      'the chapter of @corral/x does not name `else`',
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

it('reasons are read from the types of an errors.ts', () => {
  expect(reasonsIn('errors.ts', `export type AReason = 'one' | 'an-other'\ntype B = 'no'`)).toEqual(
    ['one', 'an-other'],
  )
})

it('codes of warnings are read from what is emitted and from interfaces', () => {
  const text = `process.emitWarning('so', { type: 'CorralWarning', code: 'CORRAL_ONE' })
export interface SomeWarning { readonly code: 'TWO' | 'THREE_3'; readonly message: string }
export interface Other { readonly code: 'NOT_THIS' }`
  expect(warningCodesIn(text, 'a.ts')).toEqual(['CORRAL_ONE', 'CORRAL_TWO', 'CORRAL_THREE_3'])
})
