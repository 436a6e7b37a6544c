import { readFileSync } from 'node:fs'

/** What the HTML comment right above a block asks for. */
export type Mark =
  | { readonly kind: 'continue' }
  | { readonly kind: 'no-check'; readonly reason: string }

export interface Block {
  /** Absolute path of the file it stands in. */
  readonly file: string
  /** Line of its first line of code, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
  readonly mark?: Mark
}

const ALIASES: Readonly<Record<string, string>> = {
  typescript: 'ts',
  mts: 'ts',
  javascript: 'js',
  mjs: 'js',
  sh: 'bash',
  shell: 'bash',
  console: 'bash',
}

/**
 * The fenced blocks of a markdown file, or of the documentation comments of a source file.
 *
 * `<!-- continue -->` above a block lets it go on where the block before it ended;
 * `<!-- no-check: why -->` leaves it alone.
 */
export function readBlocks(
  file: string,
  text: string = readFileSync(file, 'utf8'),
): readonly Block[] {
  const lines = file.endsWith('.md') ? text.split('\n') : commentLines(text)
  const blocks: Block[] = []
  let mark: Mark | undefined
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? ''
    const fence = /^(\s*)(`{3,}|~{3,})\s*([\w+-]*)/.exec(line)
    if (!fence) {
      const comment = /^\s*<!--\s*(.*?)\s*-->\s*$/.exec(line)?.[1]
      if (comment !== undefined) mark = readMark(comment)
      else if (line.trim() !== '') mark = undefined
      continue
    }
    const [, indent = '', ticks = '', language = ''] = fence
    const code: string[] = []
    const first = i + 2
    for (i++; i < lines.length && !isClosing(lines[i] ?? '', ticks); i++)
      code.push(dedent(lines[i] ?? '', indent.length))
    const block = {
      file,
      line: first,
      language: ALIASES[language] ?? language,
      code: code.join('\n'),
    }
    blocks.push(mark ? { ...block, mark } : block)
    mark = undefined
  }
  return blocks
}

function isClosing(line: string, ticks: string): boolean {
  const trimmed = line.trim()
  return trimmed.startsWith(ticks) && trimmed.replaceAll(ticks[0] ?? '`', '') === ''
}

function dedent(line: string, by: number): string {
  return line.slice(0, by).trim() === '' ? line.slice(by) : line.trimStart()
}

function readMark(comment: string): Mark | undefined {
  if (comment === 'continue') return { kind: 'continue' }
  const reason = /^no-check:\s*(.+)$/.exec(comment)?.[1]
  return reason === undefined ? undefined : { kind: 'no-check', reason }
}

/** The lines of the file with everything but documentation comments blanked. */
function commentLines(text: string): readonly string[] {
  let isInside = false
  return text.split('\n').map((line) => {
    if (/^\s*\/\*\*/.test(line)) isInside = true
    const content = isInside
      ? line.replace(/^\s*(\/\*\*|\*(?!\/)) ?/, '').replace(/\*\/\s*$/, '')
      : ''
    if (line.includes('*/')) isInside = false
    return content
  })
}
