import { expect, it } from 'vitest'
import { settlesWithin } from './settles-within.ts'

it('tells a promise that settles, either way, from one that hangs', async () => {
  expect(await settlesWithin(Promise.resolve(), 1_000)).toBe(true)
  expect(await settlesWithin(Promise.reject(new Error('no')), 1_000)).toBe(true)
  expect(await settlesWithin(new Promise(() => {}), 20)).toBe(false)
})
