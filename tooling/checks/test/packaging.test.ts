import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  compileConsumer,
  createConsumer,
  entryNames,
  importedNames,
  requiredNames,
} from '../src/packaging/consumer.ts'
import { contentFaults } from '../src/packaging/contents.ts'
import { demand, packAll, pnpm, type Packed } from '../src/packaging/pack.ts'
import { root } from '../src/repository.ts'
import { run } from '../src/run.ts'
import { createScratch, type Scratch } from '../src/scratch.ts'

const CHECKS = join(root, 'tooling/checks')

let scratch: Scratch
let packed: readonly Packed[]
let consumer: string

function tool(name: string, args: readonly string[]): ReturnType<typeof run> {
  return run(join(CHECKS, 'node_modules/.bin', name), args, { cwd: CHECKS })
}

beforeAll(async () => {
  scratch = createScratch('packaging')
  await demand(pnpm(['run', 'build']))
  packed = await packAll(join(scratch.folder, 'tarballs'))
  consumer = join(scratch.folder, 'consumer')
  await createConsumer(consumer, packed)
})

afterAll(() => scratch[Symbol.dispose]())

describe('the packed packages', () => {
  it('hold what they should and nothing else', () => {
    const faults = packed.flatMap(({ member, folder }) =>
      contentFaults(folder).map((fault) => `${member.name}: ${fault}`),
    )
    expect(faults).toEqual([])
    expect(packed.length).toBeGreaterThanOrEqual(2)
  })

  it('pass publint --strict', async () => {
    for (const { tarball } of packed) {
      const { status, output } = await tool('publint', ['run', tarball, '--strict'])
      expect(status, output).toBe(0)
    }
  })

  it('pass attw with the esm-only profile', async () => {
    for (const { tarball } of packed) {
      const { status, output } = await tool('attw', [
        tarball,
        '--profile',
        'esm-only',
        '--no-color',
      ])
      expect(status, output).toBe(0)
    }
  })

  it('are the same by import and by require, at every entry', async () => {
    for (const entry of packed.flatMap(entryNames)) {
      const imported = await importedNames(consumer, entry)
      expect(imported.length, entry).toBeGreaterThan(0)
      expect(await requiredNames(consumer, entry), entry).toEqual(imported)
    }
  })

  it('have declarations that compile in a strict project', async () => {
    const { output, status } = await compileConsumer(consumer, packed.flatMap(entryNames))
    expect(output).toBe('')
    expect(status).toBe(0)
  })
})

describe('a planted fault', () => {
  /** A copy of the first unpacked package with one thing changed. */
  function damaged(damage: (folder: string) => void): readonly string[] {
    const [first] = packed
    const folder = join(scratch.folder, 'damaged')
    cpSync(first?.folder ?? '', folder, { recursive: true })
    damage(folder)
    const faults = contentFaults(folder)
    rmSync(folder, { recursive: true })
    return faults
  }

  it('a packed test is reported', () => {
    const faults = damaged((folder) => writeFileSync(join(folder, 'src/x.test.ts'), ''))
    expect(faults).toContain('src/x.test.ts should not be packed')
  })

  it('a file that nothing leads to is reported', () => {
    const faults = damaged((folder) => writeFileSync(join(folder, 'dist/orphan.js'), 'export {}'))
    expect(faults).toContain('dist/orphan.js is reached from no export')
  })

  it('a missing licence and a missing source of a map are reported', () => {
    const faults = damaged((folder) => {
      rmSync(join(folder, 'LICENSE'))
      rmSync(join(folder, 'src'), { recursive: true })
    })
    expect(faults).toContain('LICENSE is missing')
    expect(faults.join()).toContain('which is not packed')
  })

  it('top-level await, which require() refuses, is reported', async () => {
    const folder = join(consumer, 'node_modules/waits')
    scratch.write(
      'consumer/node_modules/waits/package.json',
      `{ "type": "module", "exports": "./a.js" }`,
    )
    scratch.write('consumer/node_modules/waits/a.js', `export const one = await Promise.resolve(1)`)
    await expect(importedNames(folder, 'waits')).resolves.toEqual(['one'])
    await expect(requiredNames(folder, 'waits')).rejects.toThrow('ERR_REQUIRE_ASYNC_MODULE')
  })

  it('a wrong export is reported by publint, wrong types by attw', async () => {
    const [first] = packed
    const folder = join(scratch.folder, 'wrong-export')
    cpSync(first?.folder ?? '', folder, { recursive: true })
    const manifest = (types: string, file: string): string => {
      const exports = { '.': { types, default: file } }
      return JSON.stringify({ name: 'x', version: '1.0.0', type: 'module', exports })
    }
    writeFileSync(join(folder, 'package.json'), manifest('./dist/index.d.ts', './dist/gone.js'))
    const publint = await tool('publint', ['run', folder, '--strict', '--pack', 'false'])
    expect(publint.output).toContain('gone.js')
    expect(publint.status).toBe(1)

    writeFileSync(join(folder, 'package.json'), manifest('./dist/gone.d.ts', './dist/index.js'))
    const attw = await tool('attw', ['--pack', folder, '--profile', 'esm-only', '--no-color'])
    expect(attw.output).toContain('Used fallback condition')
    expect(attw.status).toBe(1)
  })
})
