import { CorralError, type Connection, type ReadCommand } from '@corral/connection'
import { beforeEach, describe, expect, it } from 'vitest'
import { createStampReads, type StampReads } from './stamp-reads.ts'

const LIST = Symbol('a key of another type')

/** What Redis holds, and what somebody else does to it between our commands. */
let held: Map<string, string | typeof LIST>
let commands: string[]
let afterCommand: (count: number) => void
let remembered: Map<string, number>
let reads: StampReads

function ran(name: string): void {
  commands.push(name)
  afterCommand(commands.length)
}

function read({ name, key, args = [] }: ReadCommand): Promise<unknown> {
  const value = held.get(key)
  const reply =
    name === 'EXISTS' ? [key, ...args].filter((it) => held.has(String(it))).length : (value ?? null)
  ran(name)
  if (reply !== LIST) return Promise.resolve(reply)
  return Promise.reject(new CorralError('WRONG_TYPE', 'GET: the key holds another type'))
}

/** As MGET says it. */
function get(key: string): Promise<string | null> {
  const value = held.get(key)
  if (commands.at(-1) !== 'MGET') ran('MGET')
  return Promise.resolve(typeof value === 'string' ? value : null)
}

beforeEach(() => {
  held = new Map()
  commands = []
  afterCommand = () => {}
  remembered = new Map()
  reads = createStampReads({ read, get } as unknown as Connection, {
    known: (key) => remembered.get(key) ?? 0,
    remember: (key, stamp) => remembered.set(key, stamp),
  })
})

describe('stamps read from Redis', () => {
  it('are 0 where there is none, in one EXISTS and one MGET for all of a tick', async () => {
    held.set('all', '5')
    remembered.set('all', 5)
    const all = await Promise.all([reads.read(['a', 'all']), reads.read(['b', 'all'])])
    expect(all).toEqual([
      [0, 5],
      [0, 5],
    ])
    expect(commands).toEqual(['EXISTS', 'MGET'])
  })

  it('cannot be known where a key has another type', async () => {
    held.set('a', LIST).set('b', '7')
    expect(await Promise.all([reads.read(['a']), reads.read(['b', 'c'])])).toEqual([
      [Infinity],
      [7, 0],
    ])
    held.set('a', '9')
    expect(await reads.read(['a'])).toEqual([9])
  })

  it('nor where another revocation comes in between, and makes the count right', async () => {
    held.set('a', LIST)
    afterCommand = (count) => {
      if (count === 1) held.set('b', '7')
    }
    expect(await reads.read(['a', 'b'])).toEqual([Infinity, 7])
  })

  it('nor where one ends in between', async () => {
    held.set('a', LIST).set('b', '7')
    remembered.set('b', 7)
    afterCommand = (count) => {
      if (count === 1) held.delete('b')
    }
    expect(await reads.read(['a', 'b'])).toEqual([Infinity, 0])
  })

  it('nor where the text is no stamp, or one that no other could be newer than', async () => {
    const texts = ['', 'x', 'inf', 'nan', '-1', '0', '9007199254740991', '1e400']
    texts.forEach((text, index) => held.set(`k${index}`, text))
    expect(await reads.read(texts.map((_, index) => `k${index}`))).toEqual(
      texts.map(() => Infinity),
    )
  })

  it('are counted in chunks when they are many', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `k${index}`)
    held.set('k249', LIST)
    const stamps = await reads.read(keys)
    expect(commands.slice(0, 3)).toEqual(['EXISTS', 'EXISTS', 'EXISTS'])
    expect(stamps[249]).toBe(Infinity)
    expect(stamps.slice(0, 249)).toEqual(keys.slice(0, 249).map(() => 0))
  })
})
