import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { replaceSection } from '@corral/testing'
import { allDrivers } from '../guard/drivers.ts'
import { faults } from './faults.ts'
import { type FaultReport, runFault } from './run-fault.ts'
import { pairTable, type Pair, summaryTable } from './table-text.ts'

/**
 * Runs each fault against each pair of ioredis and BullMQ, without a guard and with it, and prints
 * what became of calls and jobs, as markdown. Run it on a quiet machine; it takes a quarter of an
 * hour. `--write` puts the summary into docs/sharing-bullmq.md.
 *
 *     npx -y pnpm@12 faults [--write] [--outage 3000] [part of a fault's name]
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, outage: { type: 'string', default: '3000' } },
})
const outageMs = Number(values.outage)
const [only = ''] = positionals
const page = new URL('../../../../docs/sharing-bullmq.md', import.meta.url)
const progress = (text: string): void => void process.stderr.write(`${text}\n`)

const pairs: Pair[] = []
for (const fault of faults.filter(({ name }) => name.includes(only))) {
  for (const driver of allDrivers) {
    progress(`${fault.name}, ${driver.name}`)
    let guard = false
    try {
      const plain = await runFault(fault, driver, { outageMs, guarded: false })
      guard = true
      const guarded = await runFault(fault, driver, { outageMs })
      pairs.push({ plain, guarded })
      complain(guarded)
    } catch (error) {
      // The faults to come are told all the same.
      progress(`${fault.name}, ${driver.name}, ${guard ? 'guarded' : 'plain'}: ${String(error)}`)
      process.exitCode = 1
    }
  }
}
process.stdout.write(`${pairTable(pairs)}\n${summaryTable(pairs, outageMs)}`)
if (values.write === true) {
  if (only !== '') throw new Error('--write wants all faults')
  const text = readFileSync(page, 'utf8')
  writeFileSync(
    page,
    replaceSection(text, 'npx -y pnpm@12 faults --write', summaryTable(pairs, outageMs)),
  )
}
// BullMQ leaves timers behind when its connection died in the middle of a blocking read.
process.exit()

/** What is out of bounds makes the run fail, after the table is made. */
function complain(report: FaultReport): void {
  const { fault, driver, unhandled, foreignErrors, p999, refusedP99, jobs } = report
  const faulty = [
    ...[...unhandled, ...foreignErrors].slice(0, 1).map(String),
    p999 > 250 && `p99.9 is ${p999} ms`,
    refusedP99 > 1 && `refused calls take ${refusedP99} ms`,
    jobs.processed !== jobs.added && `${jobs.added - jobs.processed} jobs are missing`,
  ].filter((each) => each !== false)
  if (faulty.length === 0) return
  progress(`${fault}, ${driver}: ${faulty.join('; ')}`)
  process.exitCode = 1
}
