import { describe, expect, it } from 'vitest'
import { importBreaches } from '../src/imports/verify.ts'
import { createScratch, type Scratch } from '../src/scratch.ts'

function manifest(name: string, fields: object = {}): string {
  return JSON.stringify({ name, exports: { '.': './src/index.ts' }, ...fields })
}

/** Two packages in order, then one planted file on top. */
function planted(path: string, text: string, connectionFields: object = {}): readonly string[] {
  using scratch: Scratch = createScratch('imports')
  scratch.write(
    'packages/connection/package.json',
    manifest('@corral/connection', connectionFields),
  )
  scratch.write('packages/connection/src/index.ts', `import 'node:net'\nexport const one = 1\n`)
  const needs = { dependencies: { '@corral/connection': 'workspace:^' } }
  scratch.write('packages/core/package.json', manifest('@corral/core', needs))
  scratch.write('packages/core/src/index.ts', `export { one } from '@corral/connection'\n`)
  scratch.write(path, text)
  return importBreaches(scratch.folder)
}

describe('import direction', () => {
  it('holds in this repository', () => {
    expect(importBreaches()).toEqual([])
  })

  it('accepts packages that import downward', () => {
    expect(
      planted('packages/core/src/more.ts', `import type { one } from '@corral/connection'`),
    ).toEqual([])
  })

  it.each([
    ['a value', `import { two } from '@corral/core'`],
    ['a type', `import type { Two } from '@corral/core'`],
    ['a type inside a value import', `import { type Two } from '@corral/core'`],
    ['a re-export', `export * from '@corral/core'`],
    ['a named re-export', `export type { Two } from '@corral/core'`],
    ['a dynamic import', `export const later = () => import('@corral/core')`],
    ['a dynamic import in a template', 'export const later = () => import(`@corral/core`)'],
    ['an import type', `export type Two = import('@corral/core').Two`],
    ['a require', `const core = require('@corral/core')`],
    ['a resolve', `export const at = import.meta.resolve('@corral/core')`],
    ['a reference', `/// <reference types="@corral/core" />\nexport const x = 1`],
    [
      'an import hidden behind a comment',
      `import /* from 'x' */ { two } from /* y */ '@corral/core'`,
    ],
  ])('reports %s that points upward', (_kind, text) => {
    expect(planted('packages/connection/src/bad.ts', text)).toEqual([
      'packages/connection/src/bad.ts:1: imports @corral/core against the direction of imports',
    ])
  })

  it('is not misled by strings and comments', () => {
    const text = `// import '@corral/core'\nexport const s = "import { a } from '@corral/core'"\n`
    expect(planted('packages/connection/src/good.ts', text)).toEqual([])
  })

  it('reports a test that points upward', () => {
    const breaches = planted('packages/connection/test/x.test.ts', `import '@corral/core'`)
    expect(breaches).toHaveLength(1)
  })

  it('lets a test, but no shipped file, import the fixtures', () => {
    const fields = { devDependencies: { '@corral/testing': 'workspace:*' } }
    const text = `import { startRedis } from '@corral/testing'`
    expect(planted('packages/connection/test/x.test.ts', text, fields)).toEqual([])
    expect(planted('packages/connection/src/x.ts', text, fields)).toHaveLength(1)
  })

  it.each(['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'])(
    'reports %s that point upward',
    (field) => {
      const fields = { [field]: { '@corral/core': 'workspace:^' } }
      const breaches = planted('packages/connection/src/x.ts', 'export const x = 1', fields)
      expect(breaches.join()).toContain('@corral/connection: package.json')
    },
  )

  it('reports a relative import that leaves its package', () => {
    const text = `import { one } from '../../connection/src/index.ts'`
    expect(planted('packages/core/src/bad.ts', text).join()).toContain('leaves its package')
  })

  it('reports an import that package.json does not declare', () => {
    expect(planted('packages/core/src/bad.ts', `import 'ioredis'`).join()).toContain(
      'does not declare',
    )
  })

  it('reports an import past the exports of a package', () => {
    const text = `import '@corral/connection/src/index.ts'`
    expect(planted('packages/core/src/bad.ts', text).join()).toContain('not exported')
  })

  it('reports a package without a place', () => {
    const breaches = planted('packages/extra/package.json', manifest('@corral/extra'))
    expect(breaches.join()).toContain('@corral/extra has no place')
  })

  it('reports a dynamic import that nobody can check', () => {
    const text = `export const load = (name: string) => import(name)`
    expect(planted('packages/core/src/bad.ts', text).join()).toContain('computes the name')
  })
})
