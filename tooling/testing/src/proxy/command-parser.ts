const CR = 0x0d
const LF = 0x0a
const KEPT_ARGS = 4
const KEPT_BYTES = 80

/** A command as it passed by: its name in capitals and its first arguments, cut to 80 bytes. */
export interface SeenCommand {
  name: string
  args: string[]
}

/**
 * Reads the commands out of what a client sends, chunk by chunk. Values are skipped over, not
 * collected, so that it can stand in the path of large ones.
 */
export function createCommandParser(
  onCommand: (command: SeenCommand) => void,
): (chunk: Buffer) => void {
  let line = ''
  let words: string[] = []
  // Bulk strings still to come of the current command.
  let missing = 0
  // Bytes of the current bulk string still to come, its line end included; -1: a line is awaited.
  let body = -1
  let text = ''

  const finishWord = (): void => {
    words.push(text)
    text = ''
    missing -= 1
    if (missing > 0) return
    const [name = '', ...args] = words
    words = []
    onCommand({ name: name.toUpperCase(), args: args.slice(0, KEPT_ARGS) })
  }

  const finishLine = (): void => {
    const current = line
    line = ''
    if (current.startsWith('*')) {
      missing = Number(current.slice(1))
    } else if (missing > 0 && current.startsWith('$')) {
      body = Number(current.slice(1)) + 2
    } else if (current !== '') {
      // An inline command, as typed by hand.
      const [name = '', ...args] = current.split(' ')
      onCommand({ name: name.toUpperCase(), args: args.slice(0, KEPT_ARGS) })
    }
  }

  const skipBody = (chunk: Buffer, from: number): number => {
    const to = Math.min(chunk.length, from + body)
    const content = Math.min(to - from, body - 2)
    if (words.length <= KEPT_ARGS && text.length < KEPT_BYTES && content > 0) {
      text += chunk.toString('utf8', from, from + Math.min(content, KEPT_BYTES - text.length))
    }
    body -= to - from
    if (body === 0) {
      body = -1
      finishWord()
    }
    return to
  }

  return (chunk) => {
    let at = 0
    while (at < chunk.length) {
      if (body >= 0) {
        at = skipBody(chunk, at)
        continue
      }
      const end = chunk.indexOf(LF, at)
      const stop = end === -1 ? chunk.length : end
      const cut = stop > at && chunk[stop - 1] === CR ? stop - 1 : stop
      line += chunk.toString('latin1', at, cut)
      at = stop + 1
      if (end !== -1) finishLine()
    }
  }
}
