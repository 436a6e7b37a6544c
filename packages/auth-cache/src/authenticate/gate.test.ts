import { fakeClock } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { createGate } from './gate.ts'

describe('the gate', () => {
  it('lets in as many as there are places, then those in line, in order', async () => {
    const gate = createGate(fakeClock(), 2, 10, 1_000)
    const entered: number[] = []
    const all = [0, 1, 2, 3].map((n) => gate.enter().then(() => entered.push(n)))
    await Promise.all(all.slice(0, 2))
    expect(entered).toEqual([0, 1])
    gate.leave()
    await all[2]
    gate.leave()
    await all[3]
    expect(entered).toEqual([0, 1, 2, 3])
  })

  it('sends away who finds the line full', async () => {
    const gate = createGate(fakeClock(), 1, 1, 1_000)
    await gate.enter()
    const second = gate.enter()
    expect(await gate.enter()).toBe(false)
    gate.leave()
    expect(await second).toBe(true)
  })

  it('sends away who waited too long, and only those', async () => {
    const clock = fakeClock()
    const gate = createGate(clock, 1, 10, 1_000)
    await gate.enter()
    const early = gate.enter()
    await clock.advance(600)
    const late = gate.enter()
    await clock.advance(400)
    expect(await early).toBe(false)
    gate.leave()
    expect(await late).toBe(true)
    const third = gate.enter()
    await clock.advance(1_000)
    expect(await third).toBe(false)
    gate.leave()
    expect(await gate.enter()).toBe(true)
  })

  it('keeps its order over a long line', async () => {
    const gate = createGate(fakeClock(), 1, 5_000, 1_000)
    await gate.enter()
    const entered: number[] = []
    const all = Array.from({ length: 3_000 }, (_, n) => gate.enter().then(() => entered.push(n)))
    for (const each of all) {
      gate.leave()
      await each
    }
    expect(entered).toEqual(all.map((_, n) => n))
  })
})
