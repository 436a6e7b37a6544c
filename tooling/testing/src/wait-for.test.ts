import { expect, it } from 'vitest'
import { waitFor } from './wait-for.ts'

it('returns what the predicate found', async () => {
  let calls = 0
  expect(await waitFor(() => ++calls === 3 && 'found')).toBe('found')
})

it('takes a throw for "not yet" and tells the last one when time is up', async () => {
  const started = performance.now()
  const waiting = waitFor(() => Promise.reject(new Error('refused')), {
    timeout: 50,
    what: 'the end',
  })
  await expect(waiting).rejects.toThrow(/waited \d+ ms in vain for the end; last error: refused/)
  expect(performance.now() - started).toBeGreaterThanOrEqual(50)
})
