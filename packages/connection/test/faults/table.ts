import { writeFileSync } from 'node:fs'
import { allDrivers, type Driver } from '../guard/drivers.ts'
import { type Fault, faults } from './faults.ts'
import { type FaultReport, runFault } from './run-fault.ts'

/**
 * Prints the whole fault table as markdown: each fault against each pair of ioredis and BullMQ,
 * with a run of the jobs alone beside it. Run it on a quiet machine:
 *
 *     tsx --conditions=@corral/source packages/connection/test/faults/table.ts [outage ms] [file] [part of a name]
 */
const [outage = '3000', file = '', only = ''] = process.argv.slice(2)
const outageMs = Number(outage)

const ms = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0))
const head = [
  'fault',
  'clients',
  'calls',
  'p50 / p99.9 ms',
  'refused calls p99 ms',
  'sent while open',
  'first hit after ready, ms',
  'jobs done / added (repeated)',
  'without Corral',
  'loop delay p99 ms',
]
const lines = [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`]
const progress = (text: string): void => void process.stderr.write(`${text}\n`)

function jobsOf({ jobs }: FaultReport): string {
  return `${jobs.processed} / ${jobs.added} (${jobs.repeated})`
}

async function row(fault: Fault, driver: Driver): Promise<string> {
  const alone = await runFault(fault, driver, { outageMs, guarded: false })
  const report = await runFault(fault, driver, { outageMs })
  const bad = [...report.unhandled, ...report.foreignErrors]
  if (bad.length > 0) progress(`${fault.name}, ${driver.name}: ${String(bad[0])}`)
  if (
    bad.length > 0 ||
    report.p999 > 250 ||
    report.refusedP99 > 1 ||
    report.jobs.processed !== report.jobs.added
  )
    process.exitCode = 1
  const sent = Object.entries(report.sentWhileOpen).map(([name, count]) => `${count} ${name}`)
  return [
    fault.name,
    driver.name,
    report.calls,
    `${ms(report.p50)} / ${ms(report.p999)}`,
    report.refused === 0 ? '-' : ms(report.refusedP99),
    sent.join(', ') || '-',
    ms(report.recoveryMs),
    jobsOf(report),
    jobsOf(alone),
    ms(report.loopP99),
  ].join(' | ')
}

for (const fault of faults.filter(({ name }) => name.includes(only))) {
  for (const driver of allDrivers) {
    progress(`${fault.name}, ${driver.name}`)
    lines.push(`| ${await row(fault, driver)} |`)
  }
}
const table = `${lines.join('\n')}\n`
process.stdout.write(table)
if (file !== '') writeFileSync(file, table)
// BullMQ leaves timers behind when its connection died in the middle of a blocking read.
process.exit()
