import type { Connection, KeyListener } from '@corral/connection'
import { describe, expect, it, vi } from 'vitest'
import { createStampCopies } from './stamp-copies.ts'

function make(most = 10) {
  let listener: KeyListener | undefined
  const stop = vi.fn()
  const signals = {
    watch(_prefix: string, given: KeyListener) {
      listener = given
      return stop
    },
  }
  const copies = createStampCopies({ signals } as unknown as Connection, 'p:', most)
  return { copies, listener: listener as unknown as KeyListener, stop }
}

describe('copies of stamps', () => {
  it('are kept while signals are complete, and go with each signal', () => {
    const { copies, listener } = make()
    listener.flush()
    listener.state('on')
    copies.reading('p:a')(0)
    copies.reading('p:b')(7)
    expect([copies.get('p:a'), copies.get('p:b')]).toEqual([0, 7])
    listener.keys(['p:a'])
    expect([copies.get('p:a'), copies.get('p:b')]).toEqual([undefined, 7])
    listener.flush()
    expect(copies.get('p:b')).toBeUndefined()
  })

  it('are not made of a read that a signal overtook', () => {
    const { copies, listener } = make()
    listener.state('on')
    const [first, second] = [copies.reading('p:a'), copies.reading('p:a')]
    listener.keys(['p:a'])
    const third = copies.reading('p:a')
    first(0)
    expect(copies.get('p:a')).toBeUndefined()
    third(5)
    second(0)
    expect(copies.get('p:a')).toBe(5)
  })

  it('are not made of a read from before signals were complete, nor trusted while they are lost', () => {
    const { copies, listener } = make()
    const early = copies.reading('p:a')
    listener.flush()
    listener.state('on')
    early(0)
    expect(copies.get('p:a')).toBeUndefined()
    copies.reading('p:a')(3)
    const late = copies.reading('p:b')
    listener.state('lost')
    late(4)
    copies.reading('p:c')(5)
    expect(['p:a', 'p:b', 'p:c'].map(copies.get)).toEqual([undefined, undefined, undefined])
    listener.flush()
    listener.state('on')
    expect(['p:a', 'p:b', 'p:c'].map(copies.get)).toEqual([undefined, undefined, undefined])
  })

  it('go when this process changes the key, and at the end', () => {
    const { copies, listener, stop } = make()
    listener.state('on')
    const read = copies.reading('p:a')
    copies.drop('p:a')
    read(0)
    expect(copies.get('p:a')).toBeUndefined()
    copies.reading('p:a')(1)
    copies.close()
    expect(copies.get('p:a')).toBeUndefined()
    expect(stop).toHaveBeenCalledOnce()
  })

  it('are bounded: those used longest ago go', () => {
    const { copies, listener } = make(2)
    listener.state('on')
    copies.reading('p:a')(1)
    copies.reading('p:b')(2)
    copies.get('p:a')
    copies.reading('p:c')(3)
    expect(['p:a', 'p:b', 'p:c'].map(copies.get)).toEqual([1, undefined, 3])
  })
})
