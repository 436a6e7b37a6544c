import { join, relative } from 'node:path'
import { root, readManifest, workspaceMembers } from '../repository.ts'
import { run } from '../run.ts'
import type { Block } from './blocks.ts'

/** Languages that are shown, not run. */
const SHOWN = new Set([
  '',
  'text',
  'mermaid',
  'http',
  'yaml',
  'lua',
  'sql',
  'redis',
  'diff',
  'dotenv',
])

/** Faults of every block that no compiler sees: JSON that does not parse, commands that do not exist. */
export async function otherBlockFaults(blocks: readonly Block[]): Promise<readonly string[]> {
  const faults: string[] = []
  for (const block of blocks) {
    if (block.mark?.kind === 'no-check') continue
    const where = `${relative(root, block.file)}:${block.line}`
    if (block.language === 'json') faults.push(...jsonFaults(where, block.code))
    else if (block.language === 'bash') faults.push(...(await bashFaults(where, block)))
    else if (block.language !== 'ts' && block.language !== 'js' && !SHOWN.has(block.language))
      faults.push(`${where}: nobody checks blocks of ${block.language}`)
  }
  return faults
}

function jsonFaults(where: string, code: string): readonly string[] {
  try {
    JSON.parse(code)
    return []
  } catch (error) {
    return [`${where}: ${String(error)}`]
  }
}

async function bashFaults(where: string, { code, file }: Block): Promise<readonly string[]> {
  const { status, output } = await run('bash', ['-n', '-c', code], { cwd: root })
  if (status !== 0) return [`${where}: ${output.trim()}`]

  // A member's own README may tell to run its scripts in its folder.
  const home = workspaceMembers().find(({ folder }) => file.startsWith(`${folder}/`))
  const scripts = {
    ...readManifest(join(root, 'package.json')).scripts,
    ...home?.manifest.scripts,
  }
  const members = new Set(workspaceMembers().map((member) => member.name))
  const faults: string[] = []
  for (const line of code.split('\n')) {
    const script = /(?:^|\s)pnpm(?:@\d+)? (?:run )?([a-z][\w:-]*)/.exec(line)?.[1]
    if (script !== undefined && !(script in scripts) && !PNPM_COMMANDS.has(script))
      faults.push(`${where}: there is no script ${script}`)
    for (const [name] of line.matchAll(/@corral\/[a-z-]+/g))
      if (!members.has(name)) faults.push(`${where}: there is no package ${name}`)
  }
  return faults
}

const PNPM_COMMANDS = new Set(['install', 'i', 'add', 'exec', 'dlx', 'run'])
