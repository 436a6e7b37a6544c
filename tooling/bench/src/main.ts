import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { parseArguments, USAGE } from './harness/arguments.ts'
import { createBed } from './harness/bed.ts'
import type { Line } from './harness/row.ts'
import { cellsOf, tableOf, verdictOf } from './harness/table.ts'
import { rows } from './rows/index.ts'

async function main(): Promise<void> {
  const options = parseArguments(
    process.argv.slice(2),
    rows.map(({ name }) => name),
  )
  const chosen = rows.filter(({ name }) => options.rows.length === 0 || options.rows.includes(name))
  const lines: Line[] = []
  await using bed = createBed(options.peers)
  console.log(machine())
  for (const row of chosen) {
    for await (const line of row.measure(bed, options.effort)) {
      lines.push(line)
      console.log(`  ${cellsOf(line).filter(Boolean).join('  ')}`)
    }
  }
  console.log(`\n${tableOf(lines)}\n\n${machine()}`)
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ machine: machine(), lines }, null, 2)}\n`)
  }
  const missed = lines.filter((line) => /floor|peer/.test(missedOf(line)))
  if (options.strict && missed.length > 0) process.exitCode = 1
}

function missedOf(line: Line): string {
  const verdict = verdictOf(line)
  return verdict === 'no floor' ? '' : verdict
}

/** Ratios travel from machine to machine, but not from a busy one to an idle one. */
function machine(): string {
  const load = loadavg()[0]?.toFixed(1)
  return `Node ${process.version}, ${cpus().length} cores, load ${load}`
}

try {
  await main()
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  console.error(`${error.message}\n${USAGE}`)
  process.exitCode = 2
}
