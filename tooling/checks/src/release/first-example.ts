import { join } from 'node:path'
import { readBlocks } from '../docs/blocks.ts'

/** What a README tells a newcomer to do first. */
export interface FirstSteps {
  /** The packages of its `npm install` line. */
  readonly installs: readonly string[]
  /** Its first block of TypeScript. */
  readonly example: string
}

export function firstSteps(folder: string): FirstSteps {
  const blocks = readBlocks(join(folder, 'README.md'))
  const installs = blocks
    .map(({ code }) => /^npm install (.+)$/m.exec(code)?.[1])
    .find((names) => names !== undefined)
  const example = blocks.find(({ language }) => language === 'ts')?.code
  if (installs === undefined || example === undefined)
    throw new Error(`${folder}/README.md: wants an npm install line and an example`)
  return { installs: installs.split(' '), example }
}

/**
 * An example that goes without Redis, with Redis; undefined when it has no cache to be given it.
 */
export function withRedis(example: string): string | undefined {
  if (!example.includes('createCache({ ')) return undefined
  return [
    `import { Redis } from 'ioredis'`,
    `const connection = new Redis({ maxRetriesPerRequest: null, socketTimeout: 15_000 })`,
    example.replaceAll('createCache({ ', 'createCache({ connection, '),
    `if ((await connection.dbsize()) === 0) throw new Error('nothing came to Redis')`,
    `await connection.flushall()`,
    `connection.disconnect()\n`,
  ].join('\n')
}

/**
 * A compiled example as a CommonJS program: its imports as `require()`, the rest in a function,
 * whose rejection ends the process as one at the top of an ES module does.
 */
export function asCommonJs(compiled: string): string {
  const body = compiled.replace(
    /^import \{ ([^}]+) \} from '([^']+)';?$/gm,
    (_, names: string, from: string) =>
      `const { ${names.replaceAll(' as ', ': ')} } = require('${from}');`,
  )
  if (/^(?:import|export)\b(?! \{\};?$)/m.test(body))
    throw new Error(`only imports by name are understood here:\n${compiled}`)
  const statements = body.replace(/^export \{\};?$/m, '')
  return `(async () => {\n${statements}\n})()\n`
}
