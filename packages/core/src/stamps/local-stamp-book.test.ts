import { fakeClock } from '@corral/testing'
import { expect, test } from 'vitest'
import { createLocalStampBook, createLocalStamps } from './local-stamp-book.ts'

test('a cleared namespace, a tag and a deep clear kill what is older, and not what is set at once', async () => {
  const clock = fakeClock()
  const stamps = createLocalStamps()
  const book = createLocalStampBook('a', clock, stamps)
  const child = createLocalStampBook('a:b', clock, stamps)
  const sibling = createLocalStampBook('ab', clock, stamps)
  const now = (): number => Math.round(clock.wallNow() * 1000)
  const fresh = (tags: string[] = []) => ({
    loadedAt: now(),
    tags,
    seen: child.seen(tags) ?? [],
  })
  const old = fresh(['t'])
  expect(child.verdict(old)).toBe('alive')

  await child.invalidateTags(['t'])
  expect(child.verdict(old)).toBe('dead')
  expect(child.verdict(fresh(['t']))).toBe('alive')

  const plain = fresh()
  await book.stampNamespace()
  expect(child.verdict(plain)).toBe('alive')
  const { version } = child.epoch
  await book.stampNamespace({ deep: true })
  expect(child.epoch.version).not.toBe(version)
  expect(child.verdict(plain)).toBe('dead')
  expect(sibling.verdict(plain)).toBe('alive')
  expect(child.verdict(fresh())).toBe('alive')
  expect(book.verdict({ loadedAt: undefined, tags: ['t'], seen: [] })).toBe('alive')
})

test('stamps of tags are bounded: forgotten ones count as the newest of them', async () => {
  const clock = fakeClock()
  const book = createLocalStampBook('a', clock)
  const cleared = await book.stampNamespace()
  await book.invalidateTags(['first'])
  const at = Math.round(clock.wallNow() * 1000)
  await clock.advance(1000)
  await book.invalidateTags(Array.from({ length: 100_000 }, (_, i) => `t${i}`))
  expect(book.verdict({ loadedAt: at, tags: ['first'], seen: [] })).toBe('dead')
  expect(book.verdict({ loadedAt: (cleared as number) - 1, tags: [], seen: [] })).toBe('dead')
  expect(book.verdict({ loadedAt: at + 5e6, tags: ['first'], seen: [] })).toBe('alive')
})
