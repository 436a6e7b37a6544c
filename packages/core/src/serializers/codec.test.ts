import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createCodec } from './codec.ts'
import { msgpack } from './msgpack.ts'

const large = { text: 'corral '.repeat(1000), n: 1 }

describe('a codec', () => {
  it('leaves plain JSON alone when nothing is asked for', () => {
    expect(createCodec(undefined, undefined).encode(large)).toBeUndefined()
  })

  it.each(['gzip', 'brotli'] as const)('compresses from the threshold on (%s)', (algorithm) => {
    const codec = createCodec(undefined, { algorithm, threshold: 512 })
    expect(codec.encode({ small: true })).toBeUndefined()
    const encoded = codec.encode(large)
    expect(encoded?.codec).toBe(`json+${algorithm}`)
    expect(encoded?.data.length).toBeLessThan(1000)
    expect(codec.decode(encoded!)).toEqual(large)
  })

  it('reads what another cache compressed, also without compressing itself', () => {
    const encoded = createCodec(undefined, { algorithm: 'brotli' }).encode(large)
    expect(createCodec(undefined, undefined).decode(encoded!)).toEqual(large)
  })

  it('keeps Date, Map, Set, BigInt and Buffer with msgpack', () => {
    const codec = createCodec(msgpack(), undefined)
    const value = {
      at: new Date(1_700_000_000_000),
      map: new Map<unknown, unknown>([
        ['a', 1],
        [2, new Set(['x'])],
      ]),
      set: new Set([1, 'two']),
      big: 123_456_789_012_345_678_901_234_567_890n,
      bytes: Buffer.from([0, 255, 7]),
      none: null,
    }
    const back = codec.decode(codec.encode(value)!) as typeof value
    expect(back).toEqual(value)
    expect(Buffer.isBuffer(back.bytes)).toBe(true)
    expect(back.big).toBe(value.big)
  })

  it('compresses msgpack as well', () => {
    const codec = createCodec(msgpack(), { threshold: 64 })
    const encoded = codec.encode(large)!
    expect(encoded.codec).toBe('msgpack+gzip')
    expect(codec.decode(encoded)).toEqual(large)
  })

  it('reads what it cannot decode as nothing', () => {
    const codec = createCodec(undefined, undefined)
    expect(codec.decode({ codec: 'msgpack', data: 'gaFhAQ==' })).toBeUndefined()
    expect(codec.decode({ codec: 'json+lz4', data: 'AAAA' })).toBeUndefined()
    expect(codec.decode({ codec: 'json+gzip', data: 'bm90IGd6aXA=' })).toBeUndefined()
  })

  it('stops a decompression bomb at its bound', () => {
    const bomb = gzipSync(JSON.stringify('0'.repeat(5_000_000))).toString('base64')
    const encoded = { codec: 'json+gzip', data: bomb }
    expect(createCodec(undefined, { maxOutputBytes: 1_000_000 }).decode(encoded)).toBeUndefined()
    expect(createCodec(undefined, { maxOutputBytes: 8_000_000 }).decode(encoded)).toHaveLength(
      5_000_000,
    )
  })

  it('drops own __proto__ keys on the way back', () => {
    const data = Buffer.from('{"__proto__":{"isAdmin":true},"a":1}').toString('base64')
    const value = createCodec(undefined, undefined).decode({ codec: 'json', data }) as object
    expect(Object.keys(value)).toEqual(['a'])
    expect(Object.assign({}, value)).not.toHaveProperty('isAdmin')
  })

  it.each([
    [{ algorithm: 'lz4' }, TypeError],
    [{ threshold: 1 }, RangeError],
    [{ maxOutputBytes: 0 }, RangeError],
  ])('refuses the options %j', (options, error) => {
    expect(() => createCodec(undefined, options as never)).toThrow(error)
  })
})
