import type { Script } from '../../../src/protocol/index.ts'
import type { Plant } from './real-run.ts'

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

/** Scripts with one guard taken out, and the small scenario whose race then shows. */
export const plantedLua: readonly (readonly [guard: string, scenario: string, plant: Plant])[] = [
  [
    'a fill that asks for no lease',
    'a load against a set and a delete',
    replacing('write', 'elseif not same then', "elseif not same and op ~= 'F' then"),
  ],
  [
    'a delete that spares the lease',
    'a load against each kind of invalidation',
    replacing(
      'write',
      "outcome = redis.call('UNLINK', key)\n    if lease",
      "outcome = lease and 0 or redis.call('UNLINK', key)\n    if lease",
    ),
  ],
  [
    'a lease given twice',
    'two loads, one fails',
    replacing('lease', 'elseif left >= 0 then', 'elseif left >= 0 and false then'),
  ],
  [
    'a lease that replaces what it does not know',
    'a dead entry is replaced beside a set',
    replacing('lease', 'take = string.sub(text, 1, #dead) == dead', 'take = true'),
  ],
  [
    'a refresh that does not compare',
    'a refresh against a set',
    replacing('write', 'return head == id', 'return head == id or #head > 0'),
  ],
  [
    'a script without deadline',
    'a set that is given up',
    replacing('write', 'if now > ARGV[1] * 1000', 'if false'),
  ],
  [
    'a load that counts as of its fill',
    'a load against each kind of invalidation',
    replacing('write', 'store(key, ARGV[at + 3]', 'store(key, stamped'),
  ],
  [
    'a sweep that compares nothing',
    'set after clear, beside its sweep',
    replacing('sweep', 'dead = stamp > seen and stamp >= at - skew', 'dead = true'),
  ],
  [
    'a stamp that does not move',
    'a load against each kind of invalidation',
    replacing('stamp', 'local stamp = stamped', "local stamp = '1'"),
  ],
]
