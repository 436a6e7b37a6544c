import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../src/repository.ts'
import { rootTool, run } from '../src/run.ts'
import { createScratch } from '../src/scratch.ts'

it('the types project fails on a wrong type', async () => {
  using scratch = createScratch('types')
  for (const file of [
    'package.json',
    'vitest.config.ts',
    'tsconfig.base.json',
    'tsconfig.types.json',
  ])
    scratch.copy(file)
  scratch.link('node_modules', join(root, 'node_modules'))
  const target = join(scratch.folder, 'packages/canary/src')
  cpSync(join(root, 'tooling/checks/fixtures/type-canary'), target, { recursive: true })

  const args = ['run', '--project', 'types', '--reporter', 'json']
  const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
  const result = await run(rootTool('vitest'), args, { cwd: scratch.folder, env: { PATH: path } })

  expect(result.status).toBe(1)
  const report = JSON.parse(result.stdout.slice(result.stdout.indexOf('{'))) as {
    readonly testResults: readonly {
      readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
    }[]
  }
  const outcomes = report.testResults.flatMap((file) => file.assertionResults)
  expect(Object.fromEntries(outcomes.map((test) => [test.title, test.status]))).toEqual({
    'a wrong type': 'failed',
    'a right type': 'passed',
    'an expected error that does not come': 'failed',
  })
})
