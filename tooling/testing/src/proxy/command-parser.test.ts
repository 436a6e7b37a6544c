import { expect, it } from 'vitest'
import { encodeCommand } from '../resp/raw-connection.ts'
import { createCommandParser, type SeenCommand } from './command-parser.ts'

const stream = Buffer.concat([
  encodeCommand(['set', 'kéy', Buffer.from([0, 13, 10, 36, 255])]),
  Buffer.from('ping hello\r\n'),
  encodeCommand(['GET', '']),
  encodeCommand(['MSET', 'a', 'x'.repeat(5_000), 'b', '2', 'c', '3']),
  encodeCommand(['QUIT']),
])
const summary = [
  ['SET', 2],
  ['PING', 1],
  ['GET', 1],
  ['MSET', 4],
  ['QUIT', 0],
]

it.each([1, 2, 3, 7, 64, 100_000])('reads commands that come in pieces of %i bytes', (size) => {
  const seen: SeenCommand[] = []
  const parse = createCommandParser((command) => seen.push(command))
  for (let at = 0; at < stream.length; at += size) parse(stream.subarray(at, at + size))
  expect(seen.map(({ name, args }) => [name, args.length])).toEqual(summary)
  expect(seen[2]?.args).toEqual([''])
  expect(seen[3]?.args[1]).toBe('x'.repeat(80))
})
