import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defineEachScript, type EachScript } from '../script.ts'
import { createFlight, type Flight, type ScriptPayload } from './flight.ts'
import type { Link } from './link.ts'
import {
  createWriteBatches,
  EARLY_BATCH,
  MOST_KEYS_PER_SCRIPT,
  STREAM_TICKS,
  type WriteBatches,
} from './write-batches.ts'

const store = defineEachScript({ name: 'store', argsPerKey: 1, lua: 'return {}' })
const drop = defineEachScript({ name: 'drop', argsPerKey: 1, lua: 'return {}' })

/** As much of a link as gathering writes needs. */
const link = linkWith(0)

function linkWith(pending: number): Link {
  return {
    refusal: () => undefined,
    flight: (source) => createFlight(source, () => undefined),
    pending,
  } as Pick<Link, 'refusal' | 'flight' | 'pending'> as Link
}

interface Call {
  readonly script: EachScript
  readonly key: string
  readonly slot: number
  readonly durationMs: number
  readonly alone: boolean
}

/** The calls of one tick; each carries its own number as its argument. */
function gather(calls: readonly Call[]): Flight[] {
  return ticks(link).gather(calls)
}

function ticks(over: Link): { gather(calls: readonly Call[]): Flight[] } {
  let flights: Flight[] = []
  const writes = createWriteBatches(
    over,
    () => undefined,
    () => writes.flush(flights, false),
  )
  return {
    gather(calls) {
      flights = []
      ask(writes, calls)
      writes.flush(flights, true)
      return flights
    },
  }
}

function ask(writes: WriteBatches, calls: readonly Call[]): void {
  calls.forEach(({ script, key, slot, durationMs, alone }, number) => {
    if (alone) {
      const payload = { script, keys: [key], args: [number] }
      writes.alone(
        link.flight({
          what: 'alone',
          durationMs,
          payload,
          succeed: () => undefined,
          fail: () => undefined,
        }),
      )
    } else void writes.each(script, key, slot, [number], durationMs)
  })
}

function stores(count: number): Call[] {
  return Array.from({ length: count }, (_, i) => {
    return { script: store, key: `k${i}`, slot: 7, durationMs: 200, alone: false }
  })
}

/** The numbers of the calls about one key, in the order in which Redis would see them. */
function seenByRedis(flights: readonly Flight[], wanted: string): number[] {
  return flights.flatMap(({ payload }) => {
    const { keys, args } = payload as ScriptPayload
    return keys.flatMap((key, at) => (key === wanted ? [Number(args[at])] : []))
  })
}

const call = fc.integer({ min: 0, max: 5 }).chain((id) =>
  fc.record({
    key: fc.constant(`k${id}`),
    slot: fc.constant(id % 2),
    script: fc.constantFrom(store, drop),
    durationMs: fc.constantFrom(100, 200),
    alone: fc.boolean().map((value) => value && id === 0),
  }),
)

describe('createWriteBatches', () => {
  test('writes of one tick to one key reach Redis in the order of the calls', () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 300 }), (calls) => {
        const flights = gather(calls)
        for (const key of new Set(calls.map((each) => each.key))) {
          const asked = calls.flatMap((each, number) => (each.key === key ? [number] : []))
          expect(seenByRedis(flights, key)).toEqual(asked)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a script is shared by calls of one slot, and leaves with all before it once it is full', () => {
    const full = MOST_KEYS_PER_SCRIPT
    const calls = stores(2 * full + 5)
    expect(gather(calls).map((flight) => flight.calls)).toEqual([full, full, 5])
    const [first, ...others] = calls
    const spread = [{ ...(first as Call), slot: 1 }, ...others]
    expect(gather(spread).map((flight) => flight.calls)).toEqual([1, full, full, 4])
  })

  test('in a stream of writes a script leaves early while nothing is under way', () => {
    const sizes = (flights: readonly Flight[]): number[] => flights.map(({ calls }) => calls)
    const idle = ticks(linkWith(0))
    for (let tick = 0; tick < STREAM_TICKS; tick++) {
      expect(sizes(idle.gather(stores(64)))).toEqual([64])
    }
    expect(sizes(idle.gather(stores(64)))).toEqual([EARLY_BATCH, 64 - EARLY_BATCH])
    // A tick with few ends it.
    expect(sizes(idle.gather(stores(1)))).toEqual([1])
    expect(sizes(idle.gather(stores(64)))).toEqual([64])

    const busy = ticks(linkWith(1))
    for (let tick = 0; tick <= STREAM_TICKS; tick++) {
      expect(sizes(busy.gather(stores(64)))).toEqual([64])
    }
  })

  test('two kinds of writes in turns leave as two scripts where no key forbids it', () => {
    const calls = Array.from({ length: 40 }, (_, i): Call => {
      return {
        script: i % 2 === 0 ? store : drop,
        key: `k${i}`,
        slot: 0,
        durationMs: 200,
        alone: false,
      }
    })
    expect(gather(calls).map((flight) => [flight.what, flight.calls])).toEqual([
      ['store', 20],
      ['drop', 20],
    ])
  })

  test('a write that stands alone divides those before it from those after it', () => {
    const one: Call = { script: store, key: 'a', slot: 0, durationMs: 200, alone: false }
    const flights = gather([one, { ...one, key: 'b', alone: true }, { ...one, key: 'c' }])
    expect(flights.map((flight) => flight.what)).toEqual(['store', 'alone', 'store'])
  })

  test('an answer of its own reaches each caller; an empty one leaves all with undefined', async () => {
    const oom = Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' })
    const writes = createWriteBatches(
      link,
      () => undefined,
      () => undefined,
    )
    const [first, second] = [
      writes.each(store, 'a', 0, [1], 200),
      writes.each(store, 'b', 0, [2], 200),
    ]
    const flights: Flight[] = []
    writes.flush(flights, true)
    flights[0]?.succeed(['x', oom])
    await expect(first).resolves.toBe('x')
    await expect(second).rejects.toMatchObject({ code: 'REDIS_FULL' })

    const third = writes.each(store, 'a', 0, [1], 200)
    const later: Flight[] = []
    writes.flush(later, true)
    later[0]?.succeed([])
    await expect(third).resolves.toBeUndefined()
  })
})
