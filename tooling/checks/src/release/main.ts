import { join } from 'node:path'
import { startRedis } from '@corral/testing'
import type { Packed } from '../packaging/pack.ts'
import { createScratch } from '../scratch.ts'
import { nodeBinary } from './node-binary.ts'
import { releaseInto } from './release-copy.ts'
import { installAlone, runExample, type Newcomer } from './try-package.ts'

/**
 * Proves that what is committed could be released: takes up the changesets in a copy, packs every
 * package, installs each by itself as its README says, and runs the README's first example by
 * `import` and by `require()`, on the oldest Node that is allowed and on the majors since.
 *
 *     npx -y pnpm@12 release-check [node version or major …]
 */
const given = process.argv.slice(2)
const versions = given.length > 0 ? given : ['20.19.0', '20', '22', '24', '26']

using scratch = createScratch('release')
await using redis = await startRedis({ prefer: 'binary' })
const started = performance.now()
const nodes = await Promise.all(versions.map(nodeBinary))
say(`Node ${nodes.map(({ version }) => version).join(', ')}`)
const packed = await releaseInto(join(scratch.folder, 'repository'))
say(`packed ${packed.length} packages of ${packed[0]?.member.manifest.version}`)

let failed = 0
for (const each of packed) failed += await tryOne(each)
say(failed === 0 ? 'could be released' : `${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function tryOne(each: Packed): Promise<number> {
  const { name } = each.member
  const home = join(scratch.folder, name.replace('/', '-'))
  let newcomer: Newcomer
  try {
    newcomer = await installAlone(home, each, packed)
  } catch (error) {
    say(`${name}: cannot be installed or compiled: ${String(error)}`)
    return 1
  }
  const faults = newcomer.brought.filter(newcomer.isForeign).map((other) => `  brings ${other}`)
  for (const { version, path } of nodes) {
    for (const file of newcomer.programs) {
      const attempt = () => runExample(newcomer, path, file, redis.port)
      // A second try: an example has the default deadline, which a busy machine may miss once.
      const fault = (await attempt()) && (await attempt())
      if (fault !== undefined) faults.push(`  Node ${version}, ${file}: ${fault}`)
    }
  }
  say(`${name}: ${faults.length === 0 ? 'runs' : 'FAILS'}; brings ${newcomer.brought.join(', ')}`)
  for (const fault of faults) process.stdout.write(`${fault}\n`)
  return faults.length
}

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1_000).toFixed(0)
  process.stdout.write(`${seconds.padStart(4)} s  ${line}\n`)
}
