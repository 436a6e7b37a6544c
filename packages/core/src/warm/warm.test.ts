import { describe, expect, it } from 'vitest'
import { warm, type WarmEntry, type WarmOne, type WarmProgress } from './warm.ts'

interface Gate {
  readonly promise: Promise<void>
  readonly open: () => void
}

function gate(): Gate {
  let open = (): void => undefined
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

const entries = (count: number): WarmEntry[] =>
  Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: n }))

const stored: WarmOne = async () => 'stored'

describe('warm', () => {
  it('works on so many at once, and no more', async () => {
    const gates: Gate[] = []
    let most = 0
    let active = 0
    const slow: WarmOne = async () => {
      most = Math.max(most, ++active)
      const mine = gate()
      gates.push(mine)
      await mine.promise
      active--
      return 'stored'
    }
    const done = warm(slow, entries(10), { concurrency: 3 })
    for (let opened = 0; opened < 10; opened++) {
      while (gates.length <= opened) await Promise.resolve()
      gates[opened]?.open()
    }
    expect(await done).toEqual({ stored: 10, present: 0, skipped: 0, failed: [] })
    expect(most).toBe(3)
  })

  it('tells failures by key and goes on', async () => {
    const error = new Error('source is down')
    const some: WarmOne = async ({ key }) => {
      if (key === 'k1') throw error
      if (key === 'k2') return 'present'
      return key === 'k3' ? 'skipped' : 'stored'
    }
    const progress: WarmProgress[] = []
    const result = await warm(some, entries(5), {
      concurrency: 1,
      onProgress: (step) => progress.push(step),
    })
    expect(result).toEqual({ stored: 2, present: 1, skipped: 1, failed: [{ key: 'k1', error }] })
    expect(progress.map(({ done }) => done)).toEqual([1, 2, 3, 4, 5])
    expect(progress.at(-1)).toEqual({
      done: 5,
      total: 5,
      stored: 2,
      present: 1,
      skipped: 1,
      failed: 1,
      key: 'k4',
    })
  })

  it('tells wrong entries as failures of their own', async () => {
    const wrong = [{ key: 'a' }, { key: 'b', value: 1, load: () => 1 }, { key: 'c', load: 1 }]
    const { failed } = await warm(stored, wrong as never)
    expect(failed.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    for (const { error } of failed) expect(error).toBeInstanceOf(TypeError)
  })

  it('takes a cursor, and closes it when it ends early', async () => {
    let closed = false
    async function* cursor(): AsyncGenerator<WarmEntry> {
      try {
        for (const entry of entries(1_000)) yield entry
      } finally {
        closed = true
      }
    }
    expect((await warm(stored, cursor())).stored).toBe(1_000)
    closed = false
    const stop = new AbortController()
    let seen: WarmProgress | undefined
    const ended = warm(stored, cursor(), {
      signal: stop.signal,
      onProgress(step) {
        seen = step
        if (step.done === 5) stop.abort(new Error('enough'))
      },
    })
    await expect(ended).rejects.toThrow('enough')
    expect(closed).toBe(true)
    expect(seen?.total).toBeUndefined()
    expect(seen?.done).toBeLessThan(20)
  })

  it('rejects at once when it was aborted before, without asking for an entry', async () => {
    let asked = 0
    const one: WarmOne = async () => {
      asked++
      return 'stored'
    }
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(warm(one, entries(3), { signal })).rejects.toThrow('gone')
    expect(asked).toBe(0)
  })

  it('does not count what the abort ended as failed', async () => {
    const stop = new AbortController()
    const hanging: WarmOne = (_entry, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
        queueMicrotask(() => stop.abort(new Error('enough')))
      })
    await expect(warm(hanging, entries(3), { signal: stop.signal })).rejects.toThrow('enough')
  })

  it('ends with what the entries or onProgress throw', async () => {
    function* broken(): Generator<WarmEntry> {
      yield { key: 'a', value: 1 }
      throw new Error('cursor lost')
    }
    await expect(warm(stored, broken())).rejects.toThrow('cursor lost')
    const bug = ({ done }: WarmProgress): void => {
      if (done === 1) throw new Error('bug')
    }
    let begun = 0
    const counted: WarmOne = async () => {
      begun++
      return 'stored'
    }
    await expect(warm(counted, entries(1_000), { onProgress: bug })).rejects.toThrow('bug')
    expect(begun).toBeLessThan(20)
  })

  it.each([
    [{ concurrency: 0 }, RangeError],
    [{ concurrency: 1.5 }, RangeError],
    [{ concurrency: 1_001 }, RangeError],
    [{ onProgress: 1 }, TypeError],
  ])('refuses the options %j', async (options, error) => {
    await expect(warm(stored, [], options as never)).rejects.toThrow(error)
  })

  it('refuses entries that cannot be gone through', async () => {
    await expect(warm(stored, 5 as never)).rejects.toThrow(TypeError)
    await expect(warm(stored, undefined as never)).rejects.toThrow(TypeError)
  })
})
