import { expect, it } from 'vitest'
import { memoryAfterGc } from './memory.ts'

it('sees what is kept, and not what was dropped', async () => {
  const before = await memoryAfterGc()
  let kept: object[] | undefined = Array.from({ length: 200_000 }, (_, i) => ({ i }))
  const during = await memoryAfterGc()
  expect(kept).toHaveLength(200_000)
  kept = undefined
  const after = await memoryAfterGc()
  expect(during - before).toBeGreaterThan(4_000_000)
  expect(during - after).toBeGreaterThan(4_000_000)
})
