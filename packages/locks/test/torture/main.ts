import { parseArgs } from 'node:util'
import { torture, type TortureOptions } from './torture.ts'

const { values } = parseArgs({
  options: {
    calm: { type: 'string', default: '100000' },
    fair: { type: 'string', default: '10000' },
    faults: { type: 'string', default: '10000' },
    processes: { type: 'string', default: '8' },
  },
})
const processes = Number(values.processes)
const runs: (TortureOptions & { name: string })[] = [
  {
    name: 'calm',
    processes,
    acquisitions: Number(values.calm),
    locks: 4,
    callers: 4,
    kind: 'plain',
    faults: false,
  },
  {
    name: 'fair',
    processes,
    acquisitions: Number(values.fair),
    locks: 2,
    callers: 2,
    kind: 'fair',
    faults: false,
  },
  {
    name: 'faults',
    processes,
    acquisitions: Number(values.faults),
    locks: 4,
    callers: 3,
    kind: 'mixed',
    faults: true,
  },
]
for (const { name, ...options } of runs) {
  if (options.acquisitions === 0) continue
  const report = await torture(options)
  const { violations, ...rest } = report
  process.stdout.write(`${name}: ${JSON.stringify({ ...rest, violations: violations.length })}\n`)
  for (const violation of violations.slice(0, 20))
    process.stdout.write(`  ${JSON.stringify(violation)}\n`)
  if (violations.length > 0 || report.stolen > 0 || report.lostUpdates > 0) process.exitCode = 1
}
