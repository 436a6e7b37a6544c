import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds `pnpm-workspace.yaml`. */
export const root: string = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Member {
  readonly name: string
  /** Absolute folder. */
  readonly folder: string
  readonly group: 'packages' | 'apps' | 'tooling'
  readonly manifest: Manifest
}

const GROUPS = ['packages', 'apps', 'tooling'] as const

/** Every package of the workspace below `base`, which is the repository or a copy of a part of it. */
export function workspaceMembers(base: string = root): readonly Member[] {
  const members: Member[] = []
  for (const group of GROUPS) {
    const parent = join(base, group)
    if (!existsSync(parent)) continue
    for (const entry of readdirSync(parent, { withFileTypes: true })) {
      const file = join(parent, entry.name, 'package.json')
      if (!entry.isDirectory() || !existsSync(file)) continue
      const manifest = readManifest(file)
      members.push({ name: manifest.name, folder: join(parent, entry.name), group, manifest })
    }
  }
  return members
}

export function readManifest(file: string): Manifest {
  return JSON.parse(readFileSync(file, 'utf8')) as Manifest
}
