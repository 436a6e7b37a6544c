import { describe, expect, it } from 'vitest'
import { drivers } from './drivers.ts'
import { setStage, troubles } from './interleave.ts'
import { writes, writesWithoutDeadline } from './writes.ts'

describe.each(drivers)('$name', (driver) => {
  it('lets no write that was reported failed take effect after a newer one: 0 of 1,000', async () => {
    await using stage = await setStage(driver)
    let failed = 0
    for (let set = 0; failed < 1_000; set++) {
      expect(set).toBeLessThan(10)
      for (const trouble of troubles) {
        const outcome = await stage.run(trouble, writes, 2)
        expect(outcome, trouble).toMatchObject({ harmed: 0 })
        failed += outcome.failed
      }
    }
  })

  it('would let them without the deadline in the script', async () => {
    await using stage = await setStage(driver)
    for (const trouble of ['black hole', 'frozen server'] as const) {
      const outcome = await stage.run(trouble, writesWithoutDeadline, 1)
      expect(outcome.harmed, trouble).toBe(outcome.failed)
    }
  })
})
