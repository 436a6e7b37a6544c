import { createKeyspace } from '@corral/connection'
import { describe, expect, it, vi } from 'vitest'
import { rememberKeys } from './key-memo.ts'

describe('remembered keys', () => {
  it('are what the keyspace makes of them, in bounded memory', () => {
    const keyspace = createKeyspace({ namespace: 'shop' })
    const made = vi.fn(keyspace.key)
    const remembering = rememberKeys({ ...keyspace, key: made }, 10)
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10; i++) expect(remembering.key(`a ${i}`)).toBe(keyspace.key(`a ${i}`))
    }
    expect(made).toHaveBeenCalledTimes(10)
    for (let i = 0; i < 100; i++) remembering.key(`other:${i}`)
    made.mockClear()
    remembering.key('a 1')
    expect(made).toHaveBeenCalledTimes(1)
  })

  it('keep what the keyspace refuses refused', () => {
    const remembering = rememberKeys(createKeyspace({ namespace: 'shop' }), 10)
    for (let i = 0; i < 2; i++) {
      expect(() => remembering.key('a\ud800')).toThrow(TypeError)
      expect(() => remembering.key(7 as unknown as string)).toThrow(TypeError)
    }
  })
})
