import { isBuiltin } from 'node:module'
import { dirname, relative, resolve, sep } from 'node:path'
import { isSource, listFiles } from '../files.ts'
import { root, workspaceMembers, type Manifest, type Member } from '../repository.ts'
import { allowedImports, type Allowed } from './directions.ts'
import { scanImports } from './scan.ts'

/** Every breach of the import rules below `base`, one sentence each, with file and line. */
export function importBreaches(base: string = root): readonly string[] {
  const members = workspaceMembers(base)
  const names = new Map(members.map((member) => [member.name, member]))
  return members.flatMap((member) => {
    const allowed = allowedImports(member.name)
    if (!allowed) return [`${member.name} has no place in tooling/checks/src/imports/directions.ts`]
    return [...manifestBreaches(member, allowed), ...sourceBreaches(base, member, allowed, names)]
  })
}

function manifestBreaches(member: Member, allowed: Allowed): readonly string[] {
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = member.manifest
  const shipped = { ...dependencies, ...peerDependencies, ...optionalDependencies }
  const breaches: string[] = []
  for (const name of Object.keys(shipped))
    if (isOurs(name) && !allowed.sources.includes(name))
      breaches.push(`${member.name}: package.json depends on ${name}`)
  for (const name of Object.keys(devDependencies ?? {}))
    if (isOurs(name) && !allowed.tests.includes(name))
      breaches.push(`${member.name}: package.json devDepends on ${name}`)
  return breaches
}

function sourceBreaches(
  base: string,
  member: Member,
  allowed: Allowed,
  members: ReadonlyMap<string, Member>,
): readonly string[] {
  const breaches: string[] = []
  for (const file of listFiles(member.folder, isSource)) {
    const isShipped = isShippedFile(relative(member.folder, file))
    for (const { specifier, line } of scanImports(file)) {
      const where = `${relative(base, file)}:${line}`
      const fault = importFault(
        specifier,
        file,
        member,
        isShipped ? 'shipped' : 'test',
        allowed,
        members,
      )
      if (fault !== undefined) breaches.push(`${where}: ${fault}`)
    }
  }
  return breaches
}

function importFault(
  specifier: string,
  file: string,
  member: Member,
  role: 'shipped' | 'test',
  allowed: Allowed,
  members: ReadonlyMap<string, Member>,
): string | undefined {
  if (specifier === '<computed>')
    return role === 'shipped' && member.group === 'packages'
      ? 'computes the name of a module'
      : undefined
  if (specifier.startsWith('.')) {
    const target = resolve(dirname(file), specifier)
    const isInside = target === member.folder || target.startsWith(member.folder + sep)
    return isInside ? undefined : `leaves its package by ${specifier}`
  }
  if (isBuiltin(specifier)) return undefined

  const name = packageName(specifier)
  if (isOurs(name) && name !== member.name) {
    const list = role === 'shipped' ? allowed.sources : allowed.tests
    if (!list.includes(name)) return `imports ${specifier} against the direction of imports`
  }
  const target = members.get(name)
  if (target && !isExported(target.manifest, specifier))
    return `reaches into ${specifier}, which is not exported`
  if (name !== member.name && !declares(member.manifest, name, role))
    return `imports ${name}, which package.json does not declare`
  return undefined
}

/** Tests, type tests and configuration are not shipped; everything else below src is. */
function isShippedFile(path: string): boolean {
  return path.startsWith(`src${sep}`) && !/\.test(-d)?\.[cm]?tsx?$/.test(path)
}

function isOurs(name: string): boolean {
  return name.startsWith('@corral/')
}

function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier)
}

function isExported(manifest: Manifest, specifier: string): boolean {
  const path = `.${specifier.slice(manifest.name.length)}`
  return manifest.exports !== undefined && path in manifest.exports
}

/** What every test uses stands once, at the root. */
const ROOT_TOOLS = new Set(['vitest'])

function declares(manifest: Manifest, name: string, role: 'shipped' | 'test'): boolean {
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = manifest
  const shipped = { ...dependencies, ...peerDependencies, ...optionalDependencies }
  if (name in shipped) return true
  if (role === 'shipped' && !manifest.private) return false
  return name in (devDependencies ?? {}) || ROOT_TOOLS.has(name)
}
