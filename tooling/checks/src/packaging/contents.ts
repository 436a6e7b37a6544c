import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { scanImports } from '../imports/scan.ts'
import { readManifest } from '../repository.ts'

/** Faults of an unpacked package, one sentence each. */
export function contentFaults(folder: string): readonly string[] {
  const files = walk(folder)
  return [
    ...['LICENSE', 'README.md']
      .filter((name) => !files.includes(name))
      .map((name) => `${name} is missing`),
    ...files.filter(isForeign).map((file) => `${file} should not be packed`),
    ...unreachable(folder, files),
    ...danglingMaps(folder, files),
  ]
}

function walk(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()
}

function isForeign(file: string): boolean {
  if (/\.test(-d)?\./.test(file) || file.includes('fixtures')) return true
  return !/^(package\.json|LICENSE|README\.md|CHANGELOG\.md|(dist|src)\/.+)$/.test(file)
}

/** Built modules that no entry of `exports` leads to, neither by value nor by type. */
function unreachable(folder: string, files: readonly string[]): readonly string[] {
  const reached = new Set<string>()
  const queue = entries(folder)
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    if (!existsSync(file)) return [`${relative(folder, file)} does not exist`]
    reached.add(file)
    // A module that is loaded stands with its declarations, and with what those alone name.
    const declarations = file.replace(/\.js$/, '.d.ts')
    if (existsSync(declarations)) queue.push(declarations)
    for (const { specifier } of scanImports(file))
      if (specifier.startsWith('.')) queue.push(...targets(file, specifier))
  }
  const modules = new Set([...reached].map((file) => moduleOf(relative(folder, file))))
  return files
    .filter((file) => /^dist\/.*(\.js|\.d\.ts)$/.test(file) && !modules.has(moduleOf(file)))
    .map((file) => `${file} is reached from no export`)
}

function entries(folder: string): string[] {
  return Object.values(readManifest(join(folder, 'package.json')).exports ?? {})
    .flatMap((entry) => (typeof entry === 'string' ? [entry] : [entry['types'], entry['default']]))
    .filter((path) => path?.startsWith('./dist/') === true)
    .map((path) => join(folder, path ?? ''))
}

/** What a relative import of a built file means: declarations name `.js` or `.ts` and mean `.d.ts`. */
function targets(file: string, specifier: string): readonly string[] {
  const target = resolve(dirname(file), specifier)
  return file.endsWith('.d.ts') ? [target.replace(/\.[jt]s$/, '.d.ts')] : [target]
}

function moduleOf(file: string): string {
  return file.replace(/(\.d)?\.[jt]s$/, '')
}

/** Source maps whose sources are not in the package. */
function danglingMaps(folder: string, files: readonly string[]): readonly string[] {
  return files
    .filter((file) => file.endsWith('.map'))
    .flatMap((file) => {
      const { sources } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
        sources: string[]
      }
      const missing = sources.filter(
        (source) => !existsSync(resolve(dirname(join(folder, file)), source)),
      )
      return missing.map((source) => `${file} points to ${source}, which is not packed`)
    })
}
