import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBlocks } from '../src/docs/blocks.ts'
import { otherBlockFaults } from '../src/docs/check-blocks.ts'
import { compileBlocks } from '../src/docs/compile.ts'
import { documentedSources, documents } from '../src/docs/documents.ts'
import { brokenLinks } from '../src/docs/links.ts'
import { readManifest, root, workspaceMembers } from '../src/repository.ts'

const PLANTED = join(root, 'docs/planted.md')

function document(...lines: readonly string[]): string {
  return lines.join('\n')
}

describe('the documents of this repository', () => {
  it('have code blocks that compile', async () => {
    const blocks = [...documents(), ...documentedSources()].flatMap((file) => readBlocks(file))
    expect(await compileBlocks(blocks)).toEqual([])
  })

  it('have JSON that parses and commands that exist', async () => {
    expect(await otherBlockFaults(documents().flatMap((file) => readBlocks(file)))).toEqual([])
  })

  it('link to what is there', () => {
    expect(documents().flatMap((file) => brokenLinks(file))).toEqual([])
  })

  it('include a README for the repository and for every published package', () => {
    const published = workspaceMembers().filter((member) => member.manifest.private !== true)
    const wanted = [root, ...published.map((member) => member.folder)]
    expect(wanted.filter((folder) => !existsSync(join(folder, 'README.md')))).toEqual([])
  })

  it('can import every published package in their examples', () => {
    const own = readManifest(join(root, 'tooling/checks/package.json')).devDependencies ?? {}
    const published = workspaceMembers().filter((member) => member.manifest.private !== true)
    expect(published.map((member) => member.name).filter((name) => !(name in own))).toEqual([])
  })
})

describe('a planted fault', () => {
  it('in a ts block is reported with its line', async () => {
    const text = document(
      '# Planted',
      '',
      '```ts',
      'const n: number = 1',
      `const s: string = n`,
      '```',
    )
    expect(await compileBlocks(readBlocks(PLANTED, text))).toEqual([
      `docs/planted.md:5: TS2322: Type 'number' is not assignable to type 'string'.`,
    ])
  })

  it('in a js block is reported', async () => {
    const text = document(
      '```js',
      `import { open } from 'node:fs/promises'`,
      'open().toUpperCase()',
      '```',
    )
    expect((await compileBlocks(readBlocks(PLANTED, text))).length).toBeGreaterThan(0)
  })

  it('in an import of our own is reported', async () => {
    const text = document('```ts', `import { neverThere } from '@corral/core'`, '```')
    expect((await compileBlocks(readBlocks(PLANTED, text))).join()).toContain('neverThere')
  })

  it('in the example of a documentation comment is reported', async () => {
    const source = document(
      '/**',
      ' * @example',
      ' * ```ts',
      ` * const n: number = 'one'`,
      ' * ```',
      ' */',
    )
    const faults = await compileBlocks(
      readBlocks(join(root, 'packages/core/src/planted.ts'), source),
    )
    expect(faults.join()).toContain('packages/core/src/planted.ts:4: TS2322')
  })

  it('is not hidden by indentation', async () => {
    const text = document('- a list', '', '  ~~~typescript', '  undefinedName()', '  ~~~')
    expect((await compileBlocks(readBlocks(PLANTED, text))).join()).toContain('undefinedName')
  })

  it('in JSON, in a shell command, in a script name and in a package name is reported', async () => {
    const blocks = [
      ['```json', '{ a: 1 }', '```'],
      ['```bash', 'if then', '```'],
      ['```sh', 'npx -y pnpm@12 nowhere', '```'],
      ['```sh', 'npm install @corral/nothing', '```'],
      ['```cobol', 'DISPLAY', '```'],
    ]
    const text = document(...blocks.flat())
    const faults = await otherBlockFaults(readBlocks(PLANTED, text))
    expect(faults.map((fault) => fault.replace(/: .*/s, ''))).toEqual(
      [2, 5, 8, 11, 14].map((line) => `docs/planted.md:${line}`),
    )
  })

  it('in a link is reported', () => {
    const text = document(
      '# One `two`',
      '[a](./nowhere.md) [b](#one-two) [c](#three)',
      '[d]: ../gone',
      '`[e](x)`',
    )
    expect(brokenLinks(PLANTED, text)).toEqual([
      'docs/planted.md:2: ./nowhere.md does not exist',
      'docs/planted.md:2: #three: no such heading',
      'docs/planted.md:3: ../gone does not exist',
    ])
  })
})

describe('marks', () => {
  const first = ['```ts', 'const one = 1', '```', '']
  const second = ['```ts', 'export const two: number = one + 1', '```']

  it('let a block continue the one before it', async () => {
    const text = document(...first, 'and then', '', '<!-- continue -->', '', ...second)
    expect(await compileBlocks(readBlocks(PLANTED, text))).toEqual([])
    expect(await compileBlocks(readBlocks(PLANTED, document(...first, ...second)))).toHaveLength(1)
  })

  it('leave a block alone only with a reason', async () => {
    const wrong = ['```ts', 'nonsense()', '```']
    const withReason = document('<!-- no-check: shows what does not compile -->', ...wrong)
    expect(await compileBlocks(readBlocks(PLANTED, withReason))).toEqual([])
    expect(
      await compileBlocks(readBlocks(PLANTED, document('<!-- no-check: -->', ...wrong))),
    ).toHaveLength(1)
  })
})
