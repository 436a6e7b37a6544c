import { relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSource, listFiles } from '../src/files.ts'
import { root, workspaceMembers } from '../src/repository.ts'
import { rootTool, run } from '../src/run.ts'
import { createScratch, type Scratch } from '../src/scratch.ts'
import { cpSync } from 'node:fs'
import { join } from 'node:path'

interface Finding {
  readonly code: string
  readonly filename: string
}

const CANARY = 'packages/canary'

let scratch: Scratch
let status: number
let findings: readonly Finding[]

function linesOfCode(count: number): string {
  return Array.from({ length: count }, (_, i) => `export const line${i} = ${i}\n`).join('')
}

beforeAll(async () => {
  scratch = createScratch('lint')
  // Our own configuration, byte for byte; only the place differs, so that nothing is ignored.
  scratch.copy('.oxlintrc.json')
  scratch.copy('tsconfig.base.json')
  scratch.link('node_modules', join(root, 'node_modules'))
  cpSync(join(root, 'tooling/checks/fixtures/lint-canary'), scratch.folder, { recursive: true })
  scratch.write(`${CANARY}/src/just-fits.ts`, linesOfCode(300))
  scratch.write(`${CANARY}/src/too-long.ts`, linesOfCode(301))
  scratch.write(`${CANARY}/src/commented.ts`, `// why\n\n`.repeat(200) + linesOfCode(200))

  const result = await run(rootTool('oxlint'), ['--format=json'], { cwd: scratch.folder })
  status = result.status
  const report = JSON.parse(result.stdout) as { readonly diagnostics: readonly Finding[] }
  findings = report.diagnostics
})

afterAll(() => scratch[Symbol.dispose]())

describe('the lint configuration', () => {
  it('makes the linter fail', () => {
    expect(status).toBe(1)
  })

  it.each([
    ['src/floating-promise.ts', 'typescript(no-floating-promises)'],
    ['src/misused-promise.ts', 'typescript(no-misused-promises)'],
    ['src/cycle-left.ts', 'import(no-cycle)'],
    ['src/cycle-right.ts', 'import(no-cycle)'],
    ['src/explicit-any.ts', 'typescript(no-explicit-any)'],
    ['src/too-long.ts', 'eslint(max-lines)'],
    ['src/own-timer.ts', 'eslint(no-restricted-globals)'],
    ['src/own-timer.ts', 'eslint(no-restricted-properties)'],
    ['test/sleeping.test.ts', 'eslint(no-restricted-imports)'],
    ['test/sleeping.test.ts', 'eslint(no-restricted-globals)'],
    ['test/sleeping.test.ts', 'vitest(no-disabled-tests)'],
  ])('reports the fault planted in %s as %s', (file, code) => {
    const codes = findings
      .filter((f) => f.filename.endsWith(`${CANARY}/${file}`))
      .map((f) => f.code)
    expect(codes).toContain(code)
  })

  it.each(['src/clean.ts', 'src/just-fits.ts', 'src/commented.ts'])(
    'is silent about %s',
    (file) => {
      expect(findings.filter((f) => f.filename.endsWith(`${CANARY}/${file}`))).toEqual([])
    },
  )

  it('reads every source of the workspace', async () => {
    const result = await run(rootTool('oxlint'), ['--debug=files'], { cwd: root })
    const linted = new Set(
      result.stdout.split('\n').map((line) => line.trim().replace(/^\.\//, '')),
    )
    const sources = workspaceMembers()
      .flatMap((member) => listFiles(member.folder, isSource))
      .map((file) => relative(root, file))
    expect(sources.filter((file) => !linted.has(file))).toEqual([])
    expect(sources.length).toBeGreaterThan(10)
  })
})
