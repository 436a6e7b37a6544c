import { expect, test } from 'vitest'
import { unavailable } from '../errors.ts'
import { createFlight, type Flight, type PlainPayload } from './flight.ts'
import { createGetBatches, type GetBatches } from './get-batches.ts'
import type { Link } from './link.ts'

/** As much of a link as gathering GETs needs. */
const link = {
  refusal: () => undefined,
  flight: (source) => createFlight(source, () => undefined),
} as Pick<Link, 'refusal' | 'flight'> as Link

function gathering(): { readonly gets: GetBatches; sent(): Flight[] } {
  const gets = createGetBatches(link, false, () => undefined)
  return {
    gets,
    sent() {
      const flights: Flight[] = []
      gets.flush(flights)
      return flights
    },
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('whoever wants text, bytes or a call-back shares one command', async () => {
  const { gets, sent } = gathering()
  const raw = Buffer.from([0xff, 0x00, 0x61])
  const told: unknown[] = []
  const asker = { onBytes: (bytes: unknown) => told.push(bytes), onError: told.push }
  const text = gets.get('a', 'utf8', 200)
  const bytes = gets.get('b', 'buffer', 200)
  gets.ask('c', 200, asker)
  const absent = gets.get('d', 'utf8', 200)
  const [flight, ...others] = sent()
  expect((flight?.payload as PlainPayload | undefined)?.args).toEqual(['a', 'b', 'c', 'd'])
  expect(others).toEqual([])
  flight?.succeed([raw, raw, raw, null])
  expect(await Promise.all([text, bytes, absent])).toEqual(['\u{fffd}\0a', raw, null])
  expect(told).toEqual([raw])
})

test.each([
  ['answered', 45],
  ['failed', 90],
] as const)('of many callers who are %s %i hear at once', async (how, atOnce) => {
  const { gets, sent } = gathering()
  const told: number[] = []
  for (let index = 0; index < 90; index++) {
    const tell = (): void => void told.push(index)
    gets.ask(`k${index}`, 200, { onBytes: tell, onError: tell })
  }
  const [flight] = sent()
  if (how === 'answered') flight?.succeed(Array.from({ length: 90 }, () => null))
  else flight?.fail(unavailable('deadline', 'late'))
  expect(told).toHaveLength(atOnce)
  await settled()
  expect(told).toEqual(Array.from({ length: 90 }, (_, index) => index))
})
