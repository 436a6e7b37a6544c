import { describe, expect, it, vi } from 'vitest'
import { msgpack } from './msgpack.ts'

/** The same serializer on the next major of msgpackr, which a service may have beside BullMQ. */
async function onMsgpackr2(): Promise<typeof msgpack> {
  vi.resetModules()
  vi.doMock('msgpackr', () => import('msgpackr-2'))
  const { msgpack: made } = await import('./msgpack.ts')
  vi.doUnmock('msgpackr')
  return made
}

const value = {
  at: new Date(1_700_000_000_000),
  map: new Map<unknown, unknown>([
    ['a', 1],
    [2, new Set(['x'])],
  ]),
  big: 123_456_789_012_345_678_901_234_567_890n,
  bytes: Buffer.from([0, 255, 7]),
  rows: Array.from({ length: 40 }, (_, id) => ({ id, name: `n${id}` })),
}

describe('msgpack', () => {
  it('reads with either major of msgpackr what the other wrote', async () => {
    const second = await onMsgpackr2()
    expect(second).not.toBe(msgpack)
    const [one, two] = [msgpack(), second()]
    for (const [writer, reader] of [
      [one, two],
      [two, one],
      [two, two],
    ] as const) {
      const back = reader.decode(writer.encode(value)) as typeof value
      expect(back).toEqual(value)
      expect(Buffer.isBuffer(back.bytes)).toBe(true)
    }
  })
})
