import { createHash } from 'node:crypto'
import type { EachScript } from '../../src/index.ts'
import { guardedScripts, type WriteScripts } from './interleave.ts'

/** The same script without the deadline check that `defineScript` puts before it. */
function withoutDeadline(script: EachScript): EachScript {
  const lua = script.lua.replace(/^if now > .* end$/m, '')
  if (lua === script.lua)
    throw new Error('the deadline check was not found: this mutant proves nothing')
  return { ...script, lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** What scripts were if they did not refuse to run after their deadline. */
export const unguardedScripts: WriteScripts = {
  set: withoutDeadline(guardedScripts.set),
  count: withoutDeadline(guardedScripts.count),
  remove: withoutDeadline(guardedScripts.remove),
}
