import { describe, expect, test } from 'vitest'
import { createHandOut, type HandOut } from './hand-out.ts'

/** Callers who ask again as soon as they are told; what was asked in a tick is sent at its end. */
function callers(handOut: HandOut, count: number): { readonly sent: number[][]; answer(): void } {
  const sent: number[][] = []
  let asked: number[] = []
  for (let i = 0; i < count; i++) handOut.asked()

  async function askAgain(index: number): Promise<void> {
    // As many turns of microtasks as async functions around a call may take.
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
    if (asked.length === 0) {
      process.nextTick(() => {
        sent.push(asked)
        asked = []
      })
    }
    asked.push(index)
  }

  return { sent, answer: () => handOut.tell(count, (index) => void askAgain(index)) }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('createHandOut', () => {
  test('what half of many ask next leaves before the others are told', async () => {
    const { sent, answer } = callers(createHandOut(), 100)
    await Promise.resolve().then(answer)
    await settled()
    expect(sent.map((batch) => batch.length)).toEqual([50, 25, 25])
    expect(sent.flat()).toEqual(Array.from({ length: 100 }, (_, index) => index))
  })

  test('whoever comes last is told when all that was asked before has left', async () => {
    const handOut = createHandOut()
    const { sent, answer } = callers(handOut, 100)
    const sentBefore: number[] = []
    await Promise.resolve().then(() => {
      answer()
      handOut.tell(1, () => sentBefore.push(sent.length))
    })
    await settled()
    expect(sentBefore).toEqual([3])
  })

  test('those of a second command wait for those of the first', async () => {
    const handOut = createHandOut()
    const groups = [callers(handOut, 30), callers(handOut, 30)]
    await Promise.resolve().then(() => groups.forEach(({ answer }) => answer()))
    expect(groups.map(({ sent }) => sent.length)).toEqual([0, 0])
    await settled()
    expect(groups.map(({ sent }) => sent.map((batch) => batch.length))).toEqual([[30], [30]])
  })

  test('very many are told at once, so that other sockets have their turn', async () => {
    const { sent, answer } = callers(createHandOut(), 201)
    await Promise.resolve().then(answer)
    await settled()
    expect(sent.map((batch) => batch.length)).toEqual([201])
  })

  test('few are told at once', () => {
    const told: number[] = []
    const handOut = createHandOut()
    handOut.tell(47, (index) => told.push(index))
    expect(told).toHaveLength(47)
    handOut.tell(1, (index) => told.push(index))
    expect(told).toHaveLength(47)
  })

  test('all are told, each once, though some of them throw and ask for more', async () => {
    const others = process.listeners('uncaughtException')
    const uncaught: unknown[] = []
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error.message))
    const handOut = createHandOut()
    const told: number[] = []
    handOut.tell(200, (index) => {
      told.push(index)
      if (index === 10) handOut.tell(3, (again) => told.push(1_000 + again))
      if (index % 99 === 0) throw new Error(`fault ${index}`)
    })
    await settled()
    await settled()
    process.removeAllListeners('uncaughtException')
    for (const other of others) process.on('uncaughtException', other)
    expect(told.toSorted((a, b) => a - b)).toEqual([
      ...Array.from({ length: 200 }, (_, index) => index),
      1_000,
      1_001,
      1_002,
    ])
    expect(uncaught).toEqual(['fault 0', 'fault 99', 'fault 198'])
  })
})
