import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/*
 * The proofs of this folder in their full size, one file after the other so that they do not
 * disturb each other's times:
 *
 *     npx tsx --conditions=@corral/source packages/core/test/proof/soak.ts [rounds] [file ...]
 *
 * Prints the figures of each round, and ends with 1 when one has failed.
 */
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const [rounds = '1', ...files] = process.argv.slice(2)
const paths = files.length === 0 ? [''] : files
let failed = 0

async function run(): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project=redis',
      '--no-file-parallelism',
      '--testTimeout=600000',
      '--hookTimeout=600000',
      ...paths.map((path) => `packages/core/test/proof/${path}`),
    ],
    { cwd: root, env: { ...process.env, CORRAL_PROOF: 'full' }, stdio: 'inherit' },
  )
  const [status] = (await once(child, 'exit')) as [number | null]
  return status === 0
}

for (let round = 1; round <= Number(rounds); round++) {
  process.stdout.write(`round ${round} of ${rounds}\n`)
  if (!(await run())) failed++
}
process.stdout.write(`${Number(rounds) - failed} of ${rounds} rounds passed\n`)
process.exitCode = failed === 0 ? 0 : 1
