/**
 * A part of a markdown document that a program writes: what stands between
 * `<!-- written by <command> -->` and `<!-- end -->`, without the blank lines around it.
 *
 * @param text the document
 * @param command what the first comment names
 * @param body replaces the part
 * @returns the document with its part replaced
 */
export function replaceSection(text: string, command: string, body: string): string {
  const [from, to] = boundsOf(text, command)
  return `${text.slice(0, from)}\n\n${body.trim()}\n\n${text.slice(to)}`
}

function boundsOf(text: string, command: string): [from: number, to: number] {
  const head = `<!-- written by ${command} -->`
  const at = text.indexOf(head)
  const from = at + head.length
  const to = text.indexOf('<!-- end -->', from)
  if (at === -1 || to === -1) throw new Error(`the document has no part "${head} … <!-- end -->"`)
  return [from, to]
}
