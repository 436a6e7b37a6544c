import { startRedis, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  defineEachScript,
  defineScript,
  type EachScript,
  type Script,
  shareConnection,
} from '../../src/index.ts'
import { type Client, type Driver, drivers, ignore, SHARED } from './drivers.ts'

const QUIET = { signals: false, onWarning: ignore } as const

const keep = defineEachScript({
  name: 'test-keep',
  argsPerKey: 1,
  lua: `for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1]) end return {}`,
})
const echo = defineScript({ name: 'test-echo', lua: 'return ARGV[2]' })

/** What a careless caller hands over: parsed JSON, a query parameter that came twice. */
const NO_TEXT = [
  ['an array', ['a', 'b']],
  ['a symbol', Symbol('a')],
  ['an object', { a: 1 }],
  ['nothing', undefined],
  ['null', null],
  ['a number', 5],
] as const

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ prefer: 'binary' })
})
afterAll(() => redis.stop())

async function withConnection(
  { Redis }: Driver,
  work: (connection: ReturnType<typeof shareConnection>, client: Client) => Promise<void>,
): Promise<void> {
  const client = new Redis(redis.port, SHARED)
  client.on('error', ignore)
  await using connection = shareConnection(client, QUIET)
  try {
    await connection.set('own', 'mine')
    await work(connection, client)
  } finally {
    client.disconnect()
  }
}

/** Throws at once or rejects. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  return undefined
}

describe.each(drivers)('$name', (driver) => {
  it.each(NO_TEXT)('refuses %s for a key and mixes up nobody with it', (_what, given) =>
    withConnection(driver, async (connection) => {
      const key = given as never
      const others = [connection.get('own'), connection.delete('none')] as const
      for (const call of [
        () => connection.get(key),
        () => connection.getBuffer(key),
        () => connection.getMany(['own', key]),
        () => connection.getMany('own' as never),
        () => connection.ask(key, { onBytes: ignore, onError: ignore }),
        () => connection.set(key, 'v'),
        () => connection.delete(key),
        () => connection.read({ name: 'strlen', key }),
        () => connection.script(echo, [key], ['v']),
        () => connection.scriptEach(keep, key, ['v']),
        () => connection.scriptMany(keep, ['own', key], ['v', 'w']),
        () => connection.publish(key, 'v'),
      ]) {
        expect(await refusal(call), String(call)).toBeInstanceOf(TypeError)
      }
      expect(await others[0]).toBe('mine')
      expect(await others[1]).toBe(false)
      expect(await connection.get('own')).toBe('mine')
    }),
  )

  it.each(NO_TEXT.filter(([what]) => what !== 'a number'))(
    'refuses %s for a value and mixes up nobody with it',
    (_what, given) =>
      withConnection(driver, async (connection) => {
        const value = given as never
        const other = connection.set('other', 'theirs')
        for (const call of [
          () => connection.set('hostile', value),
          () => connection.read({ name: 'getrange', key: 'own', args: [value] }),
          () => connection.script(echo, ['own'], [value]),
          () => connection.scriptEach(keep, 'hostile', [value]),
          () => connection.scriptMany(keep, ['hostile', 'own'], [value, 'w']),
          () => connection.publish('corral:channel', value),
        ]) {
          expect(await refusal(call), String(call)).toBeInstanceOf(TypeError)
        }
        await other
        expect(await connection.getMany(['other', 'own', 'hostile'])).toEqual([
          'theirs',
          'mine',
          null,
        ])
      }),
  )

  it.each([
    'set',
    'DEL',
    'getdel',
    'EXPIRE',
    'EVAL',
    'flushall',
    'blpop',
    'sort',
    'xread',
    '',
    5,
    ['get'],
  ])('refuses to read by %j', (name) =>
    withConnection(driver, async (connection) => {
      const read = (): unknown => connection.read({ name: name as never, key: 'own', args: ['a'] })
      expect(read).toThrow(TypeError)
      expect(read).toThrow(/^name: must be a command that only reads, .* received /)
      expect(await connection.get('own')).toBe('mine')
    }),
  )

  it('refuses what was not made a script', () =>
    withConnection(driver, async (connection) => {
      const text: unknown = "return redis.call('DEL', KEYS[1])"
      const message = /^script: must be of defineScript or defineEachScript, received "return /
      for (const call of [
        () => connection.script(text as Script, ['own'], []),
        () => connection.scriptEach(text as EachScript, 'own', []),
        () => connection.scriptMany(text as EachScript, ['own'], []),
      ]) {
        const error = await refusal(call)
        expect(error).toBeInstanceOf(TypeError)
        expect((error as Error).message).toMatch(message)
      }
      expect(await connection.get('own')).toBe('mine')
      expect(() => defineScript({ name: 'two\nlines', lua: '' })).toThrow(/^name: must be one line/)
      expect(() => defineScript({ name: 'a' } as Script)).toThrow(/^lua: must be the text/)
    }))

  it('refuses a number of arguments that does not fit the script', () =>
    withConnection(driver, async (connection) => {
      for (const call of [
        () => connection.scriptEach(keep, 'own', ['a', 'b']),
        () => connection.scriptMany(keep, ['own', 'other'], ['a']),
      ]) {
        expect(await refusal(call)).toBeInstanceOf(TypeError)
      }
      expect(await connection.get('own')).toBe('mine')
    }))

  it('refuses durations that are none; no time to live is for ever by accident', () =>
    withConnection(driver, async (connection) => {
      for (const ttlMs of [0, -1, Number.NaN, Infinity, '60000', null]) {
        const given = { ttlMs: ttlMs as number }
        expect(await refusal(() => connection.set('short', 'v', given))).toBeInstanceOf(RangeError)
      }
      const seconds: object = { ttl: '1m' }
      expect(await refusal(() => connection.set('short', 'v', seconds))).toMatchObject({
        message: 'ttl: is no option of set, which takes ttlMs, received "1m"',
      })
      for (const deadlineMs of [0, -1, Number.NaN, Infinity, '100', null]) {
        const given = { deadlineMs: deadlineMs as number }
        expect(await refusal(() => connection.get('own', given))).toBeInstanceOf(RangeError)
      }
      await connection.set('short', 'v', { ttlMs: 59_999.5 })
      const left = await connection.read({ name: 'pttl', key: 'short' })
      expect(left).toBeGreaterThan(50_000)
      expect(left).toBeLessThanOrEqual(60_000)
    }))

  it('runs a script without keys', () =>
    withConnection(driver, async (connection) => {
      expect(await connection.script(echo, [], ['here'])).toBe('here')
    }))
})
