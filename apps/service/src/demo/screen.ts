import type { WriteStream } from 'node:tty'

/** Where the demo writes: lines that stay, and one that is rewritten while something runs. */
export interface Screen {
  line(text?: string): void
  /** Shows what is going on; on a terminal in place, elsewhere a line per `stage`. */
  progress(stage: string, detail?: string): void
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  bad(text: string): string
}

export function createScreen(
  stream: Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>,
  env: Readonly<Record<string, string | undefined>>,
): Screen {
  const terminal = stream.isTTY === true
  const coloured = terminal && !env['NO_COLOR']
  const paint = (code: number, text: string): string =>
    coloured ? `\u001B[${code}m${text}\u001B[0m` : text
  let stageShown = ''

  return {
    line(text = '') {
      stream.write(terminal ? `\r\u001B[2K${text}\n` : `${text}\n`)
    },
    progress(stage, detail = '') {
      if (terminal) {
        // Some terminals do not know their width and say 0.
        const width = (stream.columns || 80) - 1
        const text = `${stage}  ${detail}`.slice(0, width)
        stream.write(`\r\u001B[2K${paint(2, text)}`)
      } else if (stage !== stageShown) {
        stream.write(`${stage}\n`)
      }
      stageShown = stage
    },
    bold: (text) => paint(1, text),
    dim: (text) => paint(2, text),
    good: (text) => paint(32, text),
    bad: (text) => paint(31, text),
  }
}
