/** An answer of Redis, decoded from RESP2. Bulk strings are read as UTF-8. */
export type Reply = string | number | null | Reply[]

/** An error reply (`-ERR …`) that came back on a raw connection. */
export class RedisReplyError extends Error {
  override readonly name: string = 'RedisReplyError'
}

/** What the parser hands out: error replies stay values until someone decides to throw them. */
export type ParsedReply = string | number | null | RedisReplyError | ParsedReply[]

const CR = 0x0d

/** Parses a RESP2 stream: feed it chunks, it calls back once per complete reply. */
export function createReplyParser(onReply: (reply: ParsedReply) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    let at = 0
    for (;;) {
      const parsed = parseAt(pending, at)
      if (parsed === undefined) break
      at = parsed.end
      onReply(parsed.value)
    }
    pending = pending.subarray(at)
  }
}

interface Parsed {
  value: ParsedReply
  end: number
}

function parseAt(buffer: Buffer, start: number): Parsed | undefined {
  const lineEnd = buffer.indexOf(CR, start)
  if (lineEnd === -1 || lineEnd + 1 >= buffer.length) return undefined
  const line = buffer.toString('utf8', start + 1, lineEnd)
  const end = lineEnd + 2
  const type = String.fromCharCode(buffer[start] ?? 0)
  if (type === '+') return { value: line, end }
  if (type === '-') return { value: new RedisReplyError(line), end }
  if (type === ':') return { value: Number(line), end }
  if (type === '$') return parseBulk(buffer, Number(line), end)
  if (type === '*') return parseArray(buffer, Number(line), end)
  throw new Error(`not a RESP2 reply: ${JSON.stringify(type + line.slice(0, 40))}`)
}

function parseBulk(buffer: Buffer, length: number, start: number): Parsed | undefined {
  if (length === -1) return { value: null, end: start }
  if (buffer.length < start + length + 2) return undefined
  return { value: buffer.toString('utf8', start, start + length), end: start + length + 2 }
}

function parseArray(buffer: Buffer, count: number, start: number): Parsed | undefined {
  if (count === -1) return { value: null, end: start }
  const value: ParsedReply[] = []
  let end = start
  for (let i = 0; i < count; i++) {
    const item = parseAt(buffer, end)
    if (item === undefined) return undefined
    value.push(item.value)
    end = item.end
  }
  return { value, end }
}
