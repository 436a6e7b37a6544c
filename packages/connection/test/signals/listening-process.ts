import { systemClock } from '../../src/index.ts'
import { createSignals } from '../../src/signals/create-signals.ts'
import { majors } from './harness.ts'

/* Listens until its owner ends the client, closes nothing of ours, and has nothing else to do. */

const [major, port] = process.argv.slice(2).map(Number)
const { Redis } = majors.find((each) => each.major === major)!
const client = new Redis(port!)
const signals = createSignals({
  source: { kind: 'connection', name: 'redis' },
  clock: systemClock,
  deadlineMs: 500,
  enabled: true,
  masters: () => [{ name: 'redis', client }],
  onTopology: () => () => {},
  warn: () => {},
})
signals.watch('own::', { keys() {}, flush() {}, state() {} })
await signals.whenOn(5000)
process.stdout.write(signals.state)
await client.quit()
