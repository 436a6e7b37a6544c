import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { root } from '../repository.ts'
import { rootTool, run } from '../run.ts'
import type { Block } from './blocks.ts'

const HOME = join(root, 'tooling/checks')

/**
 * Type-checks the ts and js blocks under the strict base configuration and returns one sentence a
 * fault, with the place in the document. Packages resolve as in tooling/checks, to their sources.
 */
export async function compileBlocks(blocks: readonly Block[]): Promise<readonly string[]> {
  const programs = groupBlocks(blocks)
  if (programs.length === 0) return []
  mkdirSync(join(HOME, '.tmp'), { recursive: true })
  const folder = mkdtempSync(join(HOME, '.tmp/docs-'))
  try {
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
    const origins = new Map<string, string>()
    for (const [index, program] of programs.entries()) {
      const [first] = program
      if (!first) continue
      const name = `${index}-${slug(first.file)}.${first.language}`
      origins.set(name, first.file)
      writeFileSync(join(folder, name), inPlace(program))
    }
    const { status, output } = await run(rootTool('tsc'), ['--pretty', 'false', '-p', '.'], {
      cwd: folder,
    })
    const faults = output.split('\n').flatMap((line) => sentence(line, folder, origins))
    if (status !== 0 && faults.length === 0) return [`tsc failed: ${output}`]
    return faults
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const CONFIG = {
  extends: '../../../../tsconfig.base.json',
  compilerOptions: {
    allowJs: true,
    checkJs: true,
    moduleDetection: 'force',
    noUnusedLocals: false,
    noUnusedParameters: false,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
  },
  include: ['*'],
}

/** Each inner list is one module: a block and those that continue it. */
function groupBlocks(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const programs: Block[][] = []
  for (const block of blocks) {
    if (block.mark?.kind === 'no-check') continue
    if (block.language !== 'ts' && block.language !== 'js') continue
    const last = programs.at(-1)
    if (block.mark?.kind === 'continue' && last?.[0]?.file === block.file) last.push(block)
    else programs.push([block])
  }
  return programs
}

/** Every block on the lines where it stands in its document, so that the compiler's lines are ours. */
function inPlace(program: readonly Block[]): string {
  const lines: string[] = []
  for (const block of program) {
    while (lines.length < block.line - 1) lines.push('')
    lines.push(...block.code.split('\n'))
  }
  return lines.join('\n')
}

function sentence(
  line: string,
  folder: string,
  origins: ReadonlyMap<string, string>,
): readonly string[] {
  const match = /^(.+?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(line)
  if (!match) return /error TS\d+/.test(line) ? [line] : []
  const [, path = '', at, message] = match
  const origin = origins.get(basename(path))
  return [`${relative(root, origin ?? resolve(folder, path))}:${at}: ${message}`]
}

function slug(file: string): string {
  return relative(root, file)
    .replace(/\.[a-z]+$/, '')
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
}
