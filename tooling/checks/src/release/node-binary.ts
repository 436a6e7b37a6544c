import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demand } from '../packaging/pack.ts'
import { readManifest, root } from '../repository.ts'
import { run } from '../run.ts'

const CACHE = join(root, 'node_modules/.cache/node-binaries')

export interface NodeBinary {
  readonly path: string
  readonly version: string
}

/**
 * A Node of this version or major (`20.19.0`, `24`), from the npm package that carries it
 * for this platform. It is installed once and kept.
 */
export async function nodeBinary(version: string): Promise<NodeBinary> {
  const carrier = `node-${process.platform}-${process.arch}`
  const folder = join(CACHE, version)
  const home = join(folder, 'node_modules', carrier)
  if (!existsSync(join(home, 'bin/node'))) await install(folder, `${carrier}@${version}`)
  return {
    path: join(home, 'bin/node'),
    version: readManifest(join(home, 'package.json')).version ?? version,
  }
}

async function install(folder: string, carrier: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  await demand(run('npm', ['install', ...flags, carrier], { cwd: folder }))
}
