import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { allowedImports } from '../imports/directions.ts'
import { demand, type Packed } from '../packaging/pack.ts'
import { root, workspaceMembers } from '../repository.ts'
import { rootTool, run } from '../run.ts'
import { asCommonJs, firstSteps, withRedis } from './first-example.ts'

/** A project outside the workspace that has one package, installed as its README says. */
export interface Newcomer {
  readonly folder: string
  /** The README's first example, by itself and with Redis, as `.js` and, with `require()`, `.cjs`. */
  readonly programs: readonly string[]
  /** The packages of ours that came along, itself included. */
  readonly brought: readonly string[]
  /** Whether the import map knows no reason for a package to be there: cache code beside locks, say. */
  readonly isForeign: (name: string) => boolean
}

/** Installs a package and what its README names beside it, and compiles the README's first example. */
export async function installAlone(
  folder: string,
  { member, folder: unpacked }: Packed,
  packed: readonly Packed[],
): Promise<Newcomer> {
  mkdirSync(folder, { recursive: true })
  const tarballs = Object.fromEntries(
    packed.map((each) => [each.member.name, `file:${each.tarball}`]),
  )
  const { installs, example } = firstSteps(unpacked)
  if (!installs.includes(member.name)) throw new Error(`${member.name}: its README installs others`)
  const dependencies = Object.fromEntries(
    installs.map((name) => [name, tarballs[name] ?? versionHere(name)]),
  )
  const manifest = { private: true, type: 'module', dependencies, overrides: tarballs }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  await demand(run('npm', ['install', '--no-package-lock', ...flags], { cwd: folder }))

  const programs = { example, 'with-redis': withRedis(example) }
  const names = Object.entries(programs).flatMap(([name, text]) => {
    if (text === undefined) return []
    writeFileSync(join(folder, `${name}.ts`), text)
    return [name]
  })
  await compile(folder, names)
  for (const name of names) {
    const compiled = readFileSync(join(folder, `${name}.js`), 'utf8')
    writeFileSync(join(folder, `${name}.cjs`), asCommonJs(compiled))
  }
  const files = names.flatMap((name) => [`${name}.js`, `${name}.cjs`])
  const brought = readdirSync(join(folder, 'node_modules/@corral')).map((name) => `@corral/${name}`)
  const expected = new Set(
    installs.flatMap((each) => [each, ...(allowedImports(each)?.sources ?? [])]),
  )
  const isForeign = (name: string): boolean => !expected.has(name)
  return { folder, programs: files, brought: brought.toSorted(), isForeign }
}

/** In the version that the workspace is tested with. */
function versionHere(name: string): string {
  for (const { manifest, folder } of workspaceMembers()) {
    if (!(name in { ...manifest.dependencies, ...manifest.devDependencies })) continue
    const file = join(folder, 'node_modules', name, 'package.json')
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  throw new Error(`no package of the workspace depends on ${name}`)
}

async function compile(folder: string, names: readonly string[]): Promise<void> {
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    skipLibCheck: false,
  }
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  const types = join(folder, 'node_modules/@types/node')
  rmSync(types, { recursive: true, force: true })
  symlinkSync(join(root, 'node_modules/@types/node'), types)
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: names.map((name) => `${name}.ts`) }),
  )
  await demand(run(rootTool('tsc'), ['--pretty', 'false', '-p', '.'], { cwd: folder }))
}

const REDIRECT = fileURLToPath(new URL('./redirect.mjs', import.meta.url))

/**
 * Runs a program with one Node and returns what is wrong, in a word or more. It has
 * to end by itself, to print something, and to load no package of ours that does not belong to it.
 */
export async function runExample(
  { folder, isForeign }: Newcomer,
  node: string,
  file: string,
  redisPort: number,
): Promise<string | undefined> {
  const coverage = join(folder, 'coverage')
  const { status, stdout, output } = await run(node, ['--import', REDIRECT, file], {
    cwd: folder,
    timeout: 60_000,
    env: { PRIVATE_REDIS_PORT: String(redisPort), NODE_V8_COVERAGE: coverage },
  })
  const loaded = loadedPackages(coverage)
  rmSync(coverage, { recursive: true, force: true })
  if (status !== 0 || stdout === '') return `status ${status}: ${output.trim() || 'no output'}`
  const said = output.replace(stdout, '').trim()
  if (said.includes('CorralWarning')) return said
  if (loaded.length === 0 || loaded.some(isForeign))
    return `loads ${loaded.join(', ') || 'nothing'}`
  return undefined
}

/** The packages of ours that a run loaded files of. */
function loadedPackages(coverage: string): readonly string[] {
  // Of a program that had to be ended there is none.
  const files = existsSync(coverage) ? readdirSync(coverage) : []
  const names = files.flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as {
      result: { url: string }[]
    }
    return result.flatMap(({ url }) => /node_modules\/(@corral\/[^/]+)\//.exec(url)?.[1] ?? [])
  })
  return [...new Set(names)].toSorted()
}
