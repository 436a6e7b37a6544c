import { describe, expect, it } from 'vitest'
import { groupByPrefix, safely } from './group-rules.ts'
import { createGroups } from './groups.ts'

describe('groups', () => {
  it('hold no more than their bound under 1,000,000 distinct names, and lose no count', () => {
    const groups = createGroups(
      safely((key) => key),
      50,
    )
    for (let n = 0; n < 1_000_000; n++) groups.add(`user:${n}`, 'misses', 1)
    const counts = groups.read()
    expect(Object.keys(counts)).toHaveLength(51)
    expect(counts['other']?.misses).toBe(999_950)
    expect(counts['user:49']?.misses).toBe(1)
  })

  it('give the bound to names alone: `other` takes no place', () => {
    const groups = createGroups(
      safely((key) => (key === '?' ? undefined : key)),
      2,
    )
    for (const key of ['?', 'a', 'b', 'c', '?']) groups.add(key, 'hits', 1)
    expect(Object.entries(groups.read()).map(([name, { hits }]) => [name, hits])).toEqual([
      ['other', 3],
      ['a', 1],
      ['b', 1],
    ])
  })

  it('follow the first prefix that fits', () => {
    const nameOf = safely(
      groupByPrefix([
        { name: 'admins', prefix: 'user:admin:' },
        { name: 'users', prefix: 'user:' },
      ]),
    )
    expect(['user:1', 'user:admin:1', 'cart:1'].map(nameOf)).toEqual(['users', 'admins', 'other'])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    ['gives a number', () => 1 as unknown as string],
    ['gives an empty name', () => ''],
  ])('count as other when the function %s', (_, groupOf) => {
    expect(safely(groupOf)('key')).toBe('other')
  })

  it('cut long names, and take no harm from strange ones', () => {
    expect(safely(() => 'x'.repeat(10_000))('key')).toHaveLength(100)
    const groups = createGroups(
      safely((key) => key),
      5,
    )
    groups.add('__proto__', 'hits', 1)
    expect(Object.entries(groups.read())).toEqual([
      ['__proto__', expect.objectContaining({ hits: 1 })],
    ])
    expect(({} as Record<string, unknown>)['hits']).toBeUndefined()
  })
})
