import type { DeclaredReason } from './codes.ts'

/** The codes that docs/errors.md gives a heading or the first cell of a table row. */
export function documentedCodes(text: string): readonly string[] {
  const codes = text.split('\n').flatMap((line) => {
    const place = /^#{2,6}\s+(.*)$/.exec(line)?.[1] ?? /^\|([^|]*)\|/.exec(line)?.[1] ?? ''
    return [...place.matchAll(/`?\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b`?/g)].map((m) => m[1] ?? '')
  })
  return [...new Set(codes)]
}

/** What the sources and the page do not say alike, one sentence each. */
export function codeDifferences(declared: readonly string[], text: string): readonly string[] {
  const documented = documentedCodes(text)
  return [
    ...declared
      .filter((code) => !documented.includes(code))
      .map((code) => `${code} is not documented`),
    ...documented
      .filter((code) => !declared.includes(code))
      .map((code) => `${code} is not declared`),
  ]
}

/** Reasons that the chapter of their package does not name. */
export function undocumentedReasons(
  declared: readonly DeclaredReason[],
  text: string,
): readonly string[] {
  const chapters = text.split(/^## /m)
  return declared
    .filter(({ reason, package: name }) => {
      const chapter = chapters.find((each) => each.startsWith(`${name}\n`)) ?? ''
      return !chapter.includes(`\`${reason}\``)
    })
    .map(({ reason, package: name }) => `the chapter of ${name} does not name \`${reason}\``)
}

/** Codes without both a cause and a cure: two sentences below a heading, or full cells in a row. */
export function thinEntries(text: string): readonly string[] {
  const sections = text.split(/^### /m).slice(1)
  const thin = sections
    .map((section) => section.split(/^## /m)[0] ?? '')
    .filter((section) => sentences(section) < 2)
    .map((section) => section.split('\n')[0] ?? '')
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('|') && line.slice(1, -1).split('|').some(isBlank))
  return [...thin, ...rows].map((entry) => `${entry}: wants a cause and a cure`)
}

function sentences(section: string): number {
  const [, ...body] = section.split('\n')
  return [...body.join(' ').matchAll(/[.;|](?:\s|$)/g)].length
}

function isBlank(cell: string): boolean {
  return cell.trim() === ''
}
