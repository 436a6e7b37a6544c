import type { LuaTime } from '../../src/limits/lua/limit-script.ts'

/**
 * The same Lua with its time taken from the argument after the others, and keys that outlive the test:
 * what they hold must decide, not that they are gone.
 */
export const injectedTime: LuaTime = {
  px: 'local function px(micros) return 3600000 end\n',
  each: 'now = tonumber(ARGV[n + 2])',
  extraArgs: 1,
}
