import { createHash } from 'node:crypto'
import { type Connection, defineEachScript, type EachScript } from '../../src/index.ts'
import { deleteScript, setScript } from '../../src/scripts/plain-writes.ts'

/** A write of a key that holds a number; 7 is what comes of it, more, or nothing. */
type Write = (connection: Connection, key: string) => Promise<unknown>

/** One of each kind, in turn. */
export type Writes = readonly [set: Write, count: Write, remove: Write]

const countScript = defineEachScript({
  name: 'test-count',
  argsPerKey: 1,
  lua: `for i, key in ipairs(KEYS) do redis.call('INCRBY', key, ARGV[i + 1]) end return KEYS`,
})

export const writes: Writes = [
  (connection, key) => connection.set(key, '7'),
  (connection, key) => connection.scriptEach(countScript, key, ['7']),
  (connection, key) => connection.delete(key),
]

/** The same script without the deadline check that `defineScript` puts before it. */
function withoutDeadline(script: EachScript): EachScript {
  const lua = script.lua.replace(/^if now > .* end$/m, '')
  if (lua === script.lua) throw new Error('no deadline check was found: this mutant proves nothing')
  return { ...script, lua, sha: createHash('sha1').update(lua).digest('hex') }
}

const [set, count, remove] = [setScript, countScript, deleteScript].map(withoutDeadline) as [
  EachScript,
  EachScript,
  EachScript,
]

/** What writes were if they did not refuse to run after their deadline. */
export const writesWithoutDeadline: Writes = [
  (connection, key) => connection.scriptEach(set, key, ['7', 0]),
  (connection, key) => connection.scriptEach(count, key, ['7']),
  (connection, key) => connection.scriptEach(remove, key, []),
]

/** The write whose turn it is. */
export function nth(all: Writes, i: number): Write {
  return all[i % 3] as Write
}
