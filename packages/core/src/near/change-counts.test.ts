import { expect, it } from 'vitest'
import { createChangeCounts } from './change-counts.ts'

it('tells a change of the key, and of every key', () => {
  const changes = createChangeCounts()
  let mark = changes.mark('a')
  expect(changes.changedSince('a', mark)).toBe(false)
  changes.note('a')
  expect(changes.changedSince('a', mark)).toBe(true)
  mark = changes.mark('a')
  changes.noteAll()
  expect(changes.changedSince('a', mark)).toBe(true)
})

it('still does after every key has changed millions of times', () => {
  const changes = createChangeCounts()
  for (let n = 0; n < 2 ** 22; n++) changes.noteAll()
  for (let n = 0; n < 10; n++) {
    const mark = changes.mark('a')
    changes.note('a')
    expect(changes.changedSince('a', mark)).toBe(true)
  }
})

it('does so after what changed before anybody asked', () => {
  const changes = createChangeCounts()
  changes.note('a')
  changes.noteAll()
  const mark = changes.mark('b')
  expect(changes.changedSince('b', mark)).toBe(false)
  const other = changes.mark('a')
  changes.note('a')
  expect([changes.changedSince('a', other), changes.changedSince('b', mark)]).toEqual([true, false])
})
