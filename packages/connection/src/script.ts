import { createHash } from 'node:crypto'
import { describeValue } from './duration.ts'

/** A server-side script: constant text, run by EVALSHA with EVAL as the fall-back. */
export interface Script {
  /** For traces and error messages. */
  readonly name: string
  readonly lua: string
  readonly sha: string
  /**
   * `'grow'` scripts may add data and are refused while Redis is full; `'shrink'` scripts (deletes,
   * stamps, releases) are still tried then.
   */
  readonly memory: 'grow' | 'shrink'
}

/**
 * A script over many independent keys, so that calls of one tick can share it. The arguments of its
 * calls follow one another from `ARGV[2]` on, in the order of the keys; the reply is an array with
 * one element per key, or empty when there is nothing to tell of any.
 */
export interface EachScript extends Script {
  /** How many arguments each key has; left out: the script finds its way by what it reads. */
  readonly argsPerKey?: number
}

/** The error text by which a script says that its deadline had passed. */
export const LATE = 'CORRALLATE'

/**
 * Before every mutating script: refuse after the deadline, which is `ARGV[1]` in microseconds of
 * the server's clock. Leaves `now` (server microseconds) for the script; its own arguments start
 * at `ARGV[2]`. A command that the client resends, or that a frozen server finds in its socket
 * later, so has no effect once its caller was told that it failed.
 */
const prelude = `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if now > tonumber(ARGV[1]) then return redis.error_reply('${LATE} the deadline of this write has passed') end
`

export interface ScriptSource {
  readonly name: string
  /** Lua; sees `now`, `KEYS`, and its own arguments from `ARGV[2]` on. */
  readonly lua: string
  readonly memory?: 'grow' | 'shrink'
}

/**
 * Makes a {@link Script} of Lua text: deadline check first, SHA-1 computed once.
 *
 * @throws TypeError for a name of more than one line, or no text
 */
export function defineScript(source: ScriptSource): Script {
  if (typeof source?.name !== 'string' || !/^.+$/.test(source.name)) {
    throw new TypeError(`name: must be one line of text, received ${describeValue(source?.name)}`)
  }
  if (typeof source.lua !== 'string') {
    throw new TypeError(`lua: must be the text of a script, received ${describeValue(source.lua)}`)
  }
  const lua = `-- corral:${source.name}${prelude}${source.lua}`
  const sha = createHash('sha1').update(lua).digest('hex')
  return { name: source.name, lua, sha, memory: source.memory ?? 'grow' }
}

/** Makes an {@link EachScript}; see there for the layout of its arguments and reply. */
export function defineEachScript(
  source: ScriptSource & { readonly argsPerKey?: number },
): EachScript {
  const { argsPerKey } = source
  return { ...defineScript(source), ...(argsPerKey !== undefined && { argsPerKey }) }
}
