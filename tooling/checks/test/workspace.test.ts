import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root, workspaceMembers } from '../src/repository.ts'

const members = workspaceMembers()

it('versions stand in the catalog, in one place', () => {
  const own = members.flatMap(({ name, manifest: { dependencies, devDependencies } }) =>
    Object.entries({ ...dependencies, ...devDependencies })
      // An alias (`npm:`) is a second version on purpose.
      .filter(([, range]) => !/^(catalog|workspace|npm):/.test(range))
      .map(([dependency, range]) => `${name}: ${dependency} ${range}`),
  )
  expect(own).toEqual([])
})

it('the lockfile names no registry', () => {
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  expect(lockfile.match(/https?:\/\/\S+/g)).toBeNull()
})

it('every published package has what a package needs', () => {
  for (const { manifest } of members.filter((member) => member.manifest.private !== true)) {
    expect(manifest).toMatchObject({
      license: 'MIT',
      type: 'module',
      sideEffects: false,
      engines: { node: '>=20.19' },
      files: ['dist', 'src', '!src/**/*.test.ts', '!src/**/*.test-d.ts'],
    })
    for (const [path, entry] of Object.entries(manifest.exports ?? {})) {
      if (path === './package.json') continue
      // Order is meaning: the first condition that fits wins.
      expect(Object.keys(entry)).toEqual(['@corral/source', 'types', 'default'])
    }
  }
})
