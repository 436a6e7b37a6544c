import type { Guard } from './guards.ts'
import type { Plant } from './real-run.ts'
import type { Script } from '../protocol.ts'

function replacing(name: string, from: string, to: string): Plant {
  const made = new Map<Script<never, unknown>, Script<never, unknown>>()
  return (script) => {
    if (script.name !== name) return script
    let mutant = made.get(script)
    if (!mutant) {
      const lua = script.lua.replace(from, to)
      if (lua === script.lua) throw new Error(`nothing to replace in ${name}: ${from}`)
      made.set(script, (mutant = { ...script, lua }))
    }
    return mutant
  }
}

/** Scripts with one guard taken out. */
export const plantedLua: readonly (readonly [guard: Guard, plant: Plant])[] = [
  [
    'fill-needs-lease',
    replacing('write', 'elseif not same then', "elseif not same and op ~= 'F' then"),
  ],
  [
    'delete-breaks-lease',
    replacing(
      'write',
      "outcome = redis.call('UNLINK', key)\n    if lease",
      "outcome = lease and 0 or redis.call('UNLINK', key)\n    if lease",
    ),
  ],
  ['one-lease', replacing('lease', 'elseif left >= 0 then', 'elseif left >= 0 and false then')],
  ['dead-is-known', replacing('lease', 'take = string.sub(text, 1, #dead) == dead', 'take = true')],
  ['refresh-compares', replacing('write', 'return head == id', 'return head == id or #head > 0')],
  ['deadline', replacing('write', 'if now > tonumber(ARGV[1])', 'if false')],
  ['loaded-at-lease', replacing('write', 'store(key, ARGV[at + 2]', 'store(key, stamped')],
  [
    'sweep-compares',
    replacing('sweep', 'dead = stamp > seen and stamp >= at - skew', 'dead = true'),
  ],
  [
    'fill-checks-type',
    replacing(
      'write',
      "outcome = redis.error_reply('WRONGTYPE another type stands at the key')\n",
      'outcome = store(key, ARGV[at + 2], ttl, ARGV[at + 3])\n',
    ),
  ],
  [
    'release-compares',
    replacing('write', 'elseif not same then', "elseif not same and op ~= 'R' then"),
  ],
]
