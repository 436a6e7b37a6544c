import { describe, expect, it } from 'vitest'
import { fakeClock } from './fake-clock.ts'

describe('fakeClock', () => {
  it('runs timers by due time, then by order of setting, standing at their time', async () => {
    const clock = fakeClock(1_000)
    const ran: string[] = []
    const note = (name: string) => () => void ran.push(`${name}@${clock.now()}`)
    clock.setTimer(note('c'), 30)
    clock.setTimer(note('a'), 10)
    clock.setTimer(note('b'), 10.5)
    clock.setTimer(note('a2'), 10)
    clock.setTimer(note('later'), 31)
    await clock.advance(30)
    expect(ran).toEqual(['a@10', 'a2@10', 'b@10.5', 'c@30'])
    expect(clock.now()).toBe(30)
    expect(clock.wallNow()).toBe(1_030)
    expect(clock.pendingTimers()).toBe(1)
  })

  it('lets promises settle between timers, and runs what they set if it is due', async () => {
    const clock = fakeClock()
    const ran: string[] = []
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => clock.setTimer(resolve, ms))
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await sleep(10)
        for (let hop = 0; hop < 20; hop++) await Promise.resolve()
        ran.push(`step@${clock.now()}`)
      }
    }
    const done = chain()
    clock.setTimer(() => void ran.push('between'), 15)
    await clock.advance(29)
    expect(ran).toEqual(['step@10', 'between', 'step@20'])
    await clock.advance(1)
    await done
    expect(ran.at(-1)).toBe('step@30')
  })

  it('does not run what was cleared, nor what was set too late', async () => {
    const clock = fakeClock()
    const ran: string[] = []
    const second = clock.setTimer(() => void ran.push('second'), 2)
    clock.setTimer(() => clock.clearTimer(second), 1)
    await clock.advance(5)
    clock.setTimer(() => void ran.push('future'), 5)
    await clock.advance(4.9)
    expect(ran).toEqual([])
    expect(clock.pendingTimers()).toBe(1)
  })

  it('runs afterIo callbacks before time moves, and refuses to go back', async () => {
    const clock = fakeClock()
    const ran: string[] = []
    clock.setTimer(() => void ran.push('timer'), 0)
    clock.afterIo(() => void ran.push(`io@${clock.now()}`))
    await clock.advance(1)
    expect(ran).toEqual(['io@0', 'timer'])
    await expect(clock.advance(-1)).rejects.toThrow(RangeError)
  })

  it('lets the wall clock jump without the monotonic one', () => {
    const clock = fakeClock(5_000)
    clock.jumpWall(-3_600_000)
    expect([clock.now(), clock.wallNow()]).toEqual([0, 5_000 - 3_600_000])
  })
})
