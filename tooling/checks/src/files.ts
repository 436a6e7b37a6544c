import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const SKIPPED = new Set(['node_modules', 'dist', 'fixtures', '.tmp', '.turbo', 'coverage'])

/** Absolute paths of the files below `folder` whose name passes `wanted`; build output is left out. */
export function listFiles(folder: string, wanted: (name: string) => boolean): readonly string[] {
  if (!existsSync(folder)) return []
  const found: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) found.push(...listFiles(path, wanted))
    } else if (wanted(entry.name)) found.push(path)
  }
  return found.toSorted()
}

export function isSource(name: string): boolean {
  return /\.[cm]?tsx?$/.test(name) || /\.[cm]?jsx?$/.test(name)
}

export function isMarkdown(name: string): boolean {
  return name.endsWith('.md') && name !== 'CHANGELOG.md'
}
