import { expect, it } from 'vitest'
import { createStampCopies } from './stamp-copies.ts'

it('keeps at most so many, and lets those go that were not used lately', () => {
  const copies = createStampCopies(3)
  for (const key of ['a', 'b', 'c']) copies.open(key)
  copies.get('a')
  copies.open('d')
  expect(['a', 'b', 'c', 'd'].filter((key) => copies.get(key) !== undefined)).toEqual([
    'a',
    'c',
    'd',
  ])
})

it('keeps what is held, however many, and no more than its share once they are released', () => {
  const copies = createStampCopies(3)
  copies.open('before')
  const keys = Array.from({ length: 10 }, (_, n) => `k${n}`)
  const held = keys.map(copies.hold)
  for (const key of ['x', 'y', 'z', 'w']) copies.open(key)
  expect(keys.map(copies.get)).toEqual(held)
  expect(copies.size).toBe(13)
  for (const copy of held) copies.release(copy)
  expect(copies.size).toBe(3)
})

it('keeps what two hold until both have released it', () => {
  const copies = createStampCopies(1)
  const copy = copies.hold('a')
  expect(copies.hold('a')).toBe(copy)
  copies.release(copy)
  copies.open('b')
  copies.open('c')
  expect(copies.get('a')).toBe(copy)
  copies.release(copy)
  copies.open('d')
  copies.open('e')
  expect(copies.get('a')).toBeUndefined()
  expect(copies.size).toBe(1)
})
