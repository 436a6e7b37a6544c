import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { root } from '../repository.ts'

/** Relative links of a markdown file that lead nowhere, one sentence each. */
export function brokenLinks(
  file: string,
  text: string = readFileSync(file, 'utf8'),
): readonly string[] {
  const faults: string[] = []
  for (const [index, line] of proseLines(text).entries()) {
    for (const target of targets(line)) {
      const fault = linkFault(file, text, target)
      if (fault !== undefined) faults.push(`${relative(root, file)}:${index + 1}: ${fault}`)
    }
  }
  return faults
}

function linkFault(file: string, text: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target) || target.startsWith('//')) return undefined
  const [path = '', anchor] = target.split('#')
  if (path === '') return headingFault(target, anchor, text)
  const destination = place(file, decodeURIComponent(path))
  if (!existsSync(destination)) return `${target} does not exist`
  if (!destination.endsWith('.md')) return undefined
  return headingFault(target, anchor, readFileSync(destination, 'utf8'))
}

function headingFault(
  target: string,
  anchor: string | undefined,
  text: string,
): string | undefined {
  return anchor === undefined || slugs(text).has(anchor) ? undefined : `${target}: no such heading`
}

function place(file: string, path: string): string {
  return path.startsWith('/') ? join(root, path) : resolve(dirname(file), path)
}

/** The lines with code blocks and code spans blanked. */
function proseLines(text: string): readonly string[] {
  let fence: string | undefined
  return text.split('\n').map((line) => {
    const ticks = /^\s*(`{3,}|~{3,})/.exec(line)?.[1]
    if (fence !== undefined) {
      if (ticks?.startsWith(fence) === true) fence = undefined
      return ''
    }
    if (ticks !== undefined) {
      fence = ticks
      return ''
    }
    return line.replaceAll(/(`+)[^`].*?\1/g, '')
  })
}

function targets(line: string): readonly string[] {
  const inline = [...line.matchAll(/\]\(<?([^()\s<>]+)>?(?:\s+["'][^)]*)?\)/g)].map(
    (m) => m[1] ?? '',
  )
  const reference = /^\s*\[[^\]^]+\]:\s*<?(\S+?)>?(?:\s|$)/.exec(line)?.[1]
  return reference === undefined ? inline : [...inline, reference]
}

/** GitHub's anchors of the headings. */
function slugs(text: string): ReadonlySet<string> {
  const found = new Set<string>()
  const seen = new Map<string, number>()
  // Headings keep their code spans: those are part of the anchor.
  const isHeading = proseLines(text).map((line) => /^#{1,6}\s/.test(line))
  for (const [index, line] of text.split('\n').entries()) {
    if (isHeading[index] !== true) continue
    const slug = line
      .replace(/^#{1,6}\s+/, '')
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    found.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return found
}
