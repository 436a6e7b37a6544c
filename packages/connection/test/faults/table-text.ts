import { cpus, loadavg } from 'node:os'
import { markdownTable } from '@corral/testing'
import type { FaultReport } from './run-fault.ts'

/** The same calls and jobs in the same fault, on the plain client and through the guard. */
export interface Pair {
  readonly plain: FaultReport
  readonly guarded: FaultReport
}

/** A line for each fault and each pair of ioredis and BullMQ. */
export function pairTable(pairs: readonly Pair[]): string {
  const head = [
    'fault',
    'clients',
    'calls',
    'plain p50 / p99 ms (errors)',
    'p50 / p99.9 ms',
    'refused calls p99 ms',
    'sent while open',
    'first hit after ready, ms',
    'jobs done / added (repeated)',
    'beside plain calls',
    'loop delay p99 ms',
  ]
  const rows = pairs.map(({ plain, guarded }) => [
    guarded.fault,
    guarded.driver,
    String(guarded.calls),
    plainText([plain]),
    `${ms(guarded.p50)} / ${ms(guarded.p999)}`,
    refusedText([guarded]),
    sentText([guarded]),
    ms(guarded.recoveryMs),
    jobsText([guarded]),
    jobsText([plain]),
    ms(guarded.loopP99),
  ])
  return markdownTable(head, rows)
}

/** A line for each fault, the worst of all pairs, for a document. */
export function summaryTable(pairs: readonly Pair[], outageMs: number): string {
  const head = [
    'fault',
    'plain: p50 / p99 ms (errors)',
    'guarded: p50 / p99.9 ms',
    'refused, p99 ms',
    'sent while open',
    'first hit after `ready`, ms',
    'jobs done / added (repeated)',
  ]
  const faults = new Set(pairs.map(({ guarded }) => guarded.fault))
  const rows = [...faults].map((fault) => {
    const group = pairs.filter((pair) => pair.guarded.fault === fault)
    const guarded = group.map((pair) => pair.guarded)
    return [
      fault,
      plainText(group.map((pair) => pair.plain)),
      `${ms(worst(guarded, 'p50'))} / ${ms(worst(guarded, 'p999'))}`,
      refusedText(guarded),
      sentText(guarded),
      ms(worst(guarded, 'recoveryMs')),
      jobsText(guarded),
    ]
  })
  const clients = new Set(pairs.map(({ guarded }) => guarded.driver))
  const foot = `Faults of ${outageMs / 1_000} s, the worst of ${clients.size} pairs (${[...clients].join('; ')}), jobs of all of them; Node ${process.versions.node}, ${cpus().length} cores, load average ${loadavg()[0]?.toFixed(1)}, loopback.`
  return `${markdownTable(head, rows)}\n${foot}\n`
}

type Figure = 'p50' | 'p99' | 'p999' | 'recoveryMs' | 'refusedP99'

function worst(reports: readonly FaultReport[], figure: Figure): number {
  return Math.max(...reports.map((report) => report[figure]))
}

function plainText(reports: readonly FaultReport[]): string {
  const calls = reports.reduce((sum, report) => sum + report.calls, 0)
  const errors = reports.reduce((sum, report) => sum + report.failed, 0)
  const share = errors === 0 ? '' : ` (${((100 * errors) / calls).toFixed(0)} %)`
  return `${ms(worst(reports, 'p50'))} / ${ms(worst(reports, 'p99'))}${share}`
}

function refusedText(reports: readonly FaultReport[]): string {
  const some = reports.some(({ refused }) => refused > 0)
  return some ? worst(reports, 'refusedP99').toFixed(2) : '-'
}

/** The most of each command that one run sent. */
function sentText(reports: readonly FaultReport[]): string {
  const most = new Map<string, number>()
  for (const { sentWhileOpen } of reports)
    for (const [name, count] of Object.entries(sentWhileOpen))
      most.set(name, Math.max(count, most.get(name) ?? 0))
  return [...most].map(([name, count]) => `${count} ${name}`).join(', ') || '-'
}

function jobsText(reports: readonly FaultReport[]): string {
  const sum = (of: 'processed' | 'added' | 'repeated'): number =>
    reports.reduce((total, { jobs }) => total + jobs[of], 0)
  return `${sum('processed')} / ${sum('added')} (${sum('repeated')})`
}

function ms(value: number): string {
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}
