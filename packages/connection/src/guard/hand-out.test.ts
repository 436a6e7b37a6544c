import { expect, test } from 'vitest'
import { handOut } from './hand-out.ts'

/** Callers who ask again as soon as they are told; who asked in a tick is sent at its end. */
function askAgain(callers: number): { readonly sent: number[][]; tell(index: number): void } {
  const sent: number[][] = []
  let asked: number[] = []
  return {
    sent,
    tell(index) {
      void Promise.resolve()
        // As many turns of microtasks as async functions around a call may take.
        .then(() => undefined)
        .then(() => undefined)
        .then(() => {
          if (asked.length === 0) {
            process.nextTick(() => {
              sent.push(asked)
              asked = []
            })
          }
          asked.push(index)
          expect(index).toBeLessThan(callers)
        })
    },
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('what half of many ask next leaves before the others are told', async () => {
  const { sent, tell } = askAgain(100)
  await Promise.resolve().then(() => handOut(100, tell))
  await settled()
  expect(sent.map((batch) => batch.length)).toEqual([50, 50])
  expect(sent.flat()).toEqual(Array.from({ length: 100 }, (_, index) => index))
})

test('few are told at once', () => {
  const told: number[] = []
  handOut(63, (index) => told.push(index))
  expect(told).toHaveLength(63)
})

test('all are told when one of them throws', async () => {
  const others = process.listeners('uncaughtException')
  const uncaught: unknown[] = []
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => uncaught.push(error.message))
  const told: number[] = []
  handOut(64, (index) => {
    told.push(index)
    if (index % 40 === 0) throw new Error(`fault ${index}`)
  })
  await settled()
  process.removeAllListeners('uncaughtException')
  for (const other of others) process.on('uncaughtException', other)
  expect(told).toHaveLength(64)
  expect(uncaught).toEqual(['fault 0', 'fault 40'])
})
