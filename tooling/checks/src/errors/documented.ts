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
