import { describe, expect, it } from 'vitest'
import { createLabelCounts } from './label-counts.ts'

describe('label counts', () => {
  it('count by combination, and as other beyond their bound', () => {
    const counts = createLabelCounts(['node', 'to'], 2)
    for (const node of ['a', 'b', 'a', 'c', 'd', 'a']) counts.add(node, 'open')
    expect(counts.read()).toEqual([
      { node: 'a', to: 'open', count: 3 },
      { node: 'b', to: 'open', count: 1 },
      { node: 'other', to: 'other', count: 2 },
    ])
  })
})
