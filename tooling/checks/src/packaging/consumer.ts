import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../repository.ts'
import { rootTool, run, type RunResult } from '../run.ts'
import { demand, type Packed } from './pack.ts'

/** A project outside the workspace that has the tarballs installed by npm. */
export async function createConsumer(folder: string, packed: readonly Packed[]): Promise<void> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  )
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  const tarballs = packed.map(({ tarball }) => tarball)
  await demand(run('npm', ['install', ...flags, ...tarballs, ...peersOf(packed)], { cwd: folder }))
}

/** Every peer, optional ones too, in the version that the workspace tests with. */
function peersOf(packed: readonly Packed[]): readonly string[] {
  const own = new Set(packed.map(({ member }) => member.name))
  const peers = packed.flatMap(({ member }) =>
    Object.keys(member.manifest.peerDependencies ?? {})
      .filter((name) => !own.has(name))
      .map((name) => {
        const path = join(member.folder, 'node_modules', name, 'package.json')
        const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
        return `${name}@${version}`
      }),
  )
  return [...new Set(peers)]
}

/** Every entry a user may import, by its full name. */
export function entryNames({ member }: Packed): readonly string[] {
  return Object.keys(member.manifest.exports ?? {})
    .filter((path) => path !== './package.json')
    .map((path) => member.name + path.slice(1))
}

const SHOW = `process.stdout.write(JSON.stringify(Object.keys(loaded).sort()))`

export async function importedNames(folder: string, entry: string): Promise<readonly string[]> {
  const code = `const loaded = await import('${entry}'); ${SHOW}`
  return names(await run(process.execPath, ['--input-type=module', '-e', code], { cwd: folder }))
}

export async function requiredNames(folder: string, entry: string): Promise<readonly string[]> {
  const code = `const loaded = require('${entry}'); ${SHOW}`
  return names(await run(process.execPath, ['--input-type=commonjs', '-e', code], { cwd: folder }))
}

function names(result: RunResult): readonly string[] {
  if (result.status !== 0) throw new Error(result.output)
  // A Node that marks require() of ES modules adds this name to what it returns.
  return (JSON.parse(result.stdout) as string[]).filter((name) => name !== '__esModule')
}

/** Compiles a program that imports every entry, with our declarations checked as well. */
export async function compileConsumer(
  folder: string,
  entries: readonly string[],
): Promise<RunResult> {
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  }
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  linkIfMissing(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'))
  const lines = entries.map(
    (entry, i) => `import * as entry${i} from '${entry}'\nconsole.log(entry${i})\n`,
  )
  writeFileSync(join(folder, 'main.ts'), lines.join(''))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['main.ts'] }),
  )
  return await run(rootTool('tsc'), ['--pretty', 'false', '-p', '.'], { cwd: folder })
}

function linkIfMissing(target: string, path: string): void {
  try {
    symlinkSync(target, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
