import { runWorker } from '@corral/testing'
import { shareConnection } from '@corral/connection'
import { Redis } from 'ioredis'
import { createCache } from '../../../src/index.ts'
import { createRecorder, kinds } from '../history/record.ts'
import { micros, pause, turn } from '../machine-clock.ts'
import { plantNear, plantFill } from './planted.ts'

export interface RandomCalls {
  readonly port: number
  readonly operations: number
  /** When all stop, and look whether every copy is right. */
  readonly rounds: number
  readonly callers: number
  readonly keys: number
  /** Processes below this number have a near tier. */
  readonly withNear: number
  /** A race put in on purpose, which the checker must notice. Only single keys are changed then. */
  readonly plant?: 'fill without lease' | 'near without tickets'
}

export interface RandomResult {
  readonly acts: Float64Array
  readonly torn: readonly string[]
  readonly nearHits: number
  readonly loads: number
  readonly refused: number
  /** Keys whose value was not the source's when everybody had been told of everything. */
  readonly unsettled: readonly string[]
}

interface Value {
  readonly key: number
  readonly version: number
  readonly rest: string
}

export const namespace = 'random:v1'
const tagCount = 5

function valueOf(key: number, version: number): Value {
  return { key, version, rest: `${key}/${version};`.repeat(1 + ((key * 7 + version) % 40)) }
}

runWorker<RandomCalls, RandomResult>(async ({ index, count, data, barrier }) => {
  const options = { socketTimeout: 15_000, maxRetriesPerRequest: null }
  const client = new Redis(data.port, '127.0.0.1', options)
  const source = new Redis(data.port, '127.0.0.1')
  const connection = shareConnection(client, { deadline: '10s', onWarning: () => {} })
  const near = index < data.withNear
  const cache = createCache({
    connection,
    namespace,
    ttl: '1h',
    ...(near && { near: { maxEntries: 500 } }),
  })
  const recorder = createRecorder()
  const torn: string[] = []
  let refused = 0
  const planted =
    data.plant === 'near without tickets' && near ? plantNear(cache, namespace) : undefined

  const keyOf = (key: number): string => `g${key % 7}:k${key}`
  const tagOf = (key: number): string => `t${key % tagCount}`
  const below = (limit: number): number => Math.floor(Math.random() * limit)
  /** Some keys are asked for far more often than others. */
  const skewed = (): number => Math.floor(data.keys * Math.random() ** 1.5)

  /** The version in a value, which must be whole and of this key. */
  function versionIn(key: number, value: unknown): number {
    const { version } = value as Value
    if (JSON.stringify(value) !== JSON.stringify(valueOf(key, version))) {
      torn.push(`key ${key}: ${JSON.stringify(value).slice(0, 200)}`)
    }
    return version
  }

  async function load(key: number): Promise<Value> {
    const version = Number(await source.get(`src:${key}`))
    if (below(3) === 0) await pause(below(30))
    return valueOf(key, version)
  }

  async function read(key: number): Promise<void> {
    const name = keyOf(key)
    const began = micros()
    const how = below(10)
    if (how === 0) {
      const text = await client.get(`${namespace}::${name}`)
      if (text === null || text.startsWith('{"lease"')) return
      const { value } = JSON.parse(text) as { value: unknown }
      recorder.add(kinds.rawRead, key, versionIn(key, value), began, micros())
      return
    }
    let kind = near ? kinds.nearRead : how < 5 ? kinds.remoteRead : kinds.sharedRead
    let value: unknown
    if (data.plant === 'fill without lease')
      value = await plantFill(cache, client, name, () => load(key))
    else if (planted !== undefined) value = await planted.get(name)
    else if (near) value = cache.peek(name)
    else if (how < 5) {
      kind = kinds.remoteRead
      value = await cache.get(name)
    }
    if (value === undefined && (near || how >= 5)) {
      value = await cache.getOrSet(name, () => load(key), { tags: [tagOf(key)] })
    }
    if (value !== undefined) recorder.add(kind, key, versionIn(key, value), began, micros())
  }

  /** Each key has one process that changes its source, one change after the other. */
  const turns = new Map<number, Promise<void>>()
  async function change(): Promise<number> {
    const key = Math.floor(skewed() / count) * count + index
    const next = (turns.get(key) ?? Promise.resolve()).then(() => changeNow(key))
    turns.set(key, next)
    await next
    return key
  }

  async function changeNow(key: number): Promise<void> {
    const name = keyOf(key)
    const redisKey = `${namespace}::${name}`
    const version = await source.incr(`src:${key}`)
    const value = valueOf(key, version)
    const began = micros()
    // What others write has no time in it: stamps do not reach it.
    const foreign = key % 4 === 0
    const how = below(data.plant !== undefined ? 10 : foreign ? 16 : 20)
    planted?.drop(name)
    let kind: (typeof kinds)[keyof typeof kinds] = kinds.removal
    let acknowledged = true
    if (how < 5) acknowledged = await cache.delete(name)
    else if (how < 10) acknowledged = await cache.set(name, value, { tags: [tagOf(key)] })
    else if (how < 12) await cache.deletePattern(how === 10 ? name : `g${key % 7}:*`)
    else if (how < 14 || (how < 16 && !foreign)) {
      kind = kinds.foreign
      await client.del(redisKey)
    } else if (how < 16) {
      kind = kinds.foreign
      await client.set(redisKey, JSON.stringify({ value }))
    } else if (how < 19) {
      kind = kinds.stamping
      acknowledged = await cache.invalidateTags([tagOf(key)])
    } else {
      kind = kinds.stamping
      acknowledged = await cache.clear()
    }
    planted?.drop(name)
    if (acknowledged) recorder.add(kind, key, version, began, micros())
    else refused++
  }

  async function caller(until: number): Promise<void> {
    while (recorder.count < until) {
      if (below(15) > 0) await read(skewed())
      else {
        const key = await change()
        // Who has just changed it must not be told what was before.
        await read(key)
      }
      // A near hit is no pause; the sockets want one.
      if (below(8) === 0) await turn()
    }
  }

  const marks = new Set<string>()
  connection.signals.watch(`${namespace}::`, {
    keys(keys) {
      for (const key of keys) if (key.includes('::mark:')) marks.add(key)
    },
    flush: () => undefined,
    state: () => undefined,
  })

  /** Resolves when this process was told of everything that any process had done by now. */
  async function toldOfAll(round: number): Promise<void> {
    await barrier('stopped')
    await client.set(`${namespace}::mark:${index}:${round}`, '1', 'PX', 60_000)
    const wanted = Array.from({ length: count }, (_, i) => `${namespace}::mark:${i}:${round}`)
    while (!wanted.every((mark) => marks.has(mark))) await turn()
    await barrier('told')
  }

  const unsettled: string[] = []
  async function look(key: number): Promise<void> {
    const name = keyOf(key)
    const value = planted?.peek(name) ?? (await cache.get(name))
    if (value === undefined) return
    const version = versionIn(key, value)
    const truth = Number(await source.get(`src:${key}`))
    if (version !== truth) unsettled.push(`key ${key}: ${version} for ${truth}`)
  }

  await cache.get('warm-up')
  await connection.signals.whenOn(10_000)
  for (let round = 1; round <= data.rounds; round++) {
    await barrier('begin')
    const until = (data.operations * round) / data.rounds
    await Promise.all(Array.from({ length: data.callers }, () => caller(until)))
    await Promise.all(turns.values())
    await toldOfAll(round)
    await Promise.all(Array.from({ length: data.keys }, (_, key) => look(key)))
    await barrier('looked')
  }
  const { nearHits, loads } = await cache.stats()
  return { acts: recorder.packed(), torn, nearHits, loads, refused, unsettled }
})
