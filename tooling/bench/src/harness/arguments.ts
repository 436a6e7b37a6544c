import { parseArgs } from 'node:util'
import type { Effort } from './alternate.ts'

export interface BenchArguments {
  /** Names of rows; all of them when empty. */
  readonly rows: readonly string[]
  readonly effort: Effort
  readonly peers: boolean
  readonly strict: boolean
  /** Where the figures go as JSON. */
  readonly json: string | undefined
}

const CAREFUL: Effort = { rounds: 5, turns: 8, turnMs: 60 }
const QUICK: Effort = { rounds: 3, turns: 3, turnMs: 40 }

export const USAGE = `pnpm bench [options]
  --rows get,set   only these rows
  --quick          3 short rounds: to see that it works, not to judge
  --no-peers       Corral, the raw client and the limits only
  --json <file>    write all figures to a file
  --strict         end with status 1 when a floor is missed or a peer is ahead`

/** @throws TypeError for an option that does not exist */
export function parseArguments(given: readonly string[], known: readonly string[]): BenchArguments {
  const { values } = parseArgs({
    args: [...given],
    options: {
      rows: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'no-peers': { type: 'boolean', default: false },
      json: { type: 'string' },
      strict: { type: 'boolean', default: false },
    },
  })
  const rows = values.rows?.split(',') ?? []
  for (const row of rows) {
    if (!known.includes(row)) {
      throw new TypeError(`--rows: there is no row '${row}'; there are ${known.join(', ')}`)
    }
  }
  return {
    rows,
    effort: values.quick ? QUICK : CAREFUL,
    peers: !values['no-peers'],
    strict: values.strict,
    json: values.json,
  }
}
