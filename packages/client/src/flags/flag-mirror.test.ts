import { type Connection, systemClock } from '@corral/connection'
import { describe, expect, it } from 'vitest'
import { createFlagMirror } from './flag-mirror.ts'

describe('a refresh', () => {
  it.each([0, 1, 2, 3, 4, 5, 6])(
    'sees what is there when it is asked for, %i steps after another one was answered',
    async (steps) => {
      let stored: string[] = []
      const answers: (() => void)[] = []
      const connection = {
        clock: systemClock,
        read() {
          const reply = [...stored]
          return new Promise((resolve) => answers.push(() => resolve(reply)))
        },
      } as unknown as Connection
      const mirror = createFlagMirror(connection, 'flags', 'channel', {
        changed: () => {},
        state: () => {},
      })
      const first = mirror.refresh()
      answers.shift()!()
      for (let step = 0; step < steps; step++) await Promise.resolve()
      stored = ['a', 'true']
      const second = mirror.refresh()
      // The first read again when this came in time for it; then that answer is the one that counts.
      await new Promise((resolve) => setImmediate(resolve))
      answers.shift()?.()
      await Promise.all([first, second])
      expect(mirror.texts.get('a')).toBe('true')
      mirror.close()
    },
  )
})
