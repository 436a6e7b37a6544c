import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../src/repository.ts'
import { rootTool, run, type RunResult } from '../src/run.ts'
import { createScratch, type Scratch } from '../src/scratch.ts'

const tsconfig = JSON.stringify({ extends: '../../tsconfig.base.json', include: ['src'] })

function addPackage(
  scratch: Scratch,
  name: string,
  source: string,
  needs: readonly string[],
): void {
  const manifest = {
    name: `@corral/${name}`,
    type: 'module',
    exports: { '.': { '@corral/source': './src/index.ts', default: './dist/index.js' } },
    scripts: { typecheck: 'tsc -p tsconfig.json' },
    dependencies: Object.fromEntries(needs.map((need) => [`@corral/${need}`, '*'])),
  }
  scratch.write(`packages/${name}/package.json`, JSON.stringify(manifest))
  scratch.write(`packages/${name}/tsconfig.json`, tsconfig)
  scratch.write(`packages/${name}/src/index.ts`, source)
  for (const need of needs)
    scratch.link(
      `packages/${name}/node_modules/@corral/${need}`,
      join(scratch.folder, 'packages', need),
    )
}

/** base ← middle ← top: `top` sees the type of `base` only through `middle`. */
function chain(): Scratch {
  const scratch = createScratch('turbo')
  for (const file of ['turbo.json', 'tsconfig.base.json', '.gitignore']) scratch.copy(file)
  // npm stands beside every Node; turbo only runs the scripts with it.
  const manifest = {
    name: 'scratch',
    private: true,
    workspaces: ['packages/*'],
    packageManager: 'npm@10.0.0',
  }
  scratch.write('package.json', JSON.stringify(manifest))
  scratch.write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages: {} }))
  scratch.link('node_modules', join(root, 'node_modules'))
  addPackage(scratch, 'base', `export const size = (): number => 1\n`, [])
  addPackage(scratch, 'middle', `export { size } from '@corral/base'\n`, ['base'])
  addPackage(
    scratch,
    'top',
    `import { size } from '@corral/middle'\n\nexport const n: number = size()\n`,
    ['middle'],
  )
  return scratch
}

function typecheck(scratch: Scratch): Promise<RunResult> {
  const env = {
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
  }
  return run(rootTool('turbo'), ['run', 'typecheck'], { cwd: scratch.folder, env })
}

it('a change in a package is never a green cache hit in what stands on it', async () => {
  using scratch = chain()
  const first = await typecheck(scratch)
  expect(first.output).toContain('3 successful')
  expect(first.status).toBe(0)

  const again = await typecheck(scratch)
  expect(again.output).toContain('3 cached')

  // Still well typed in itself and in `middle`; only `top` breaks.
  scratch.write('packages/base/src/index.ts', `export const size = (): string => 'one'\n`)
  const broken = await typecheck(scratch)
  expect(broken.status).not.toBe(0)
  expect(broken.output).toContain("Type 'string' is not assignable to type 'number'")
})
