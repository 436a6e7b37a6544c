import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isMarkdown, listFiles } from '../files.ts'
import { root, workspaceMembers } from '../repository.ts'

/** Every document for people: the root's, each member's README, everything below docs. */
export function documents(): readonly string[] {
  const roots = ['README.md', 'CONTRIBUTING.md'].map((name) => join(root, name))
  const readmes = workspaceMembers().map((member) => join(member.folder, 'README.md'))
  return [...roots, ...readmes, ...listFiles(join(root, 'docs'), isMarkdown)].filter((file) =>
    existsSync(file),
  )
}

/** Sources whose documentation comments carry examples. */
export function documentedSources(): readonly string[] {
  return workspaceMembers()
    .filter((member) => member.group === 'packages')
    .flatMap((member) => listFiles(join(member.folder, 'src'), isDocumented))
}

function isDocumented(name: string): boolean {
  return name.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(name)
}
