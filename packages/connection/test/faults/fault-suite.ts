import { describe, expect, it } from 'vitest'
import { type Driver, SHARED } from '../guard/drivers.ts'
import { faults } from './faults.ts'
import { runFault } from './run-fault.ts'

const OUTAGE_MS = 1_200
const DEADLINE_MS = 200
/** A machine that runs tests beside us; whoever waits for Redis waits 200. The table is stricter. */
const REFUSED_MS = 5

/** What must hold in every fault, for one pair of ioredis and BullMQ. */
export function describeFaults(driver: Driver): void {
  describe.each(faults)('$name', (fault) => {
    it(`harms neither calls nor jobs (${driver.name})`, async () => {
      const report = await runFault(fault, driver, { outageMs: OUTAGE_MS, client: SHARED })

      expect(report.unhandled).toEqual([])
      expect(report.foreignErrors).toEqual([])
      expect(report.calls).toBeGreaterThan(100)
      expect(report.p999).toBeLessThanOrEqual(DEADLINE_MS + 50)
      expect(report.listenersLeft).toBe(0)
      expect(report.jobs).toMatchObject({ processed: report.jobs.added, repeated: 0 })
      expect(report.recoveryMs).toBeLessThan(1_000)
      // One probe at a time, and nothing else: a PING, or a trial write when only writes fail.
      const { PING = 0, TIME = 0, EVALSHA = 0, ...others } = report.sentWhileOpen
      expect(others).toEqual({})
      expect(PING + TIME + EVALSHA).toBeLessThanOrEqual(2 + OUTAGE_MS / 500)
      // Trial writes are for faults in which reads go on.
      expect(EVALSHA === 0 || !fault.stopsReads).toBe(true)
      expect(report.refused).toBeGreaterThan(fault.stopsReads ? 50 : -1)
      expect(report.refusedP99).toBeLessThan(REFUSED_MS)
    })
  })
}
