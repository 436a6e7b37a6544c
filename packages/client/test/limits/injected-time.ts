import type { LuaTime } from '../../src/limits/lua/limit-script.ts'

/** Random sequences of each algorithm, of 5 to 40 calls: 1,000 are over 10,000 decisions. */
export const SEQUENCES: number = process.env['CORRAL_PROOF'] === 'full' ? 10_000 : 1_000

/**
 * The same Lua with its time taken from the argument after the `args` others, and keys that outlive the
 * test: what they hold must decide, not that they are gone.
 */
export function timeAt(args: number): LuaTime {
  return {
    px: 'local function px(micros) return 3600000 end\n',
    each: `now = tonumber(ARGV[n + ${args}])`,
    extraArgs: 1,
  }
}

export const injectedTime: LuaTime = timeAt(2)
