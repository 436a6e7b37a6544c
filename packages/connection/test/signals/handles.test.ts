import { startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChannelListener, type KeyListener, shareConnection } from '../../src/index.ts'

let server: TestRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

describe('what a handle listens to', () => {
  it('is not lost, but on its way, while the client itself is', async () => {
    const redis = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    let arrive = (_client: Redis): void => {}
    const coming = new Promise<Redis>((resolve) => (arrive = resolve))
    await using connection = shareConnection(coming)
    const states: string[] = []
    const ignore = (): void => {}
    connection.signals.watch('coming:', {
      keys: ignore,
      flush: ignore,
      state: (state) => void states.push(state),
    })
    await waitFor(() => states.length > 0)
    expect(states).toEqual(['arming'])
    arrive(redis)
    await connection.signals.whenOn(10_000)
    expect(states).toEqual(['arming', 'on'])
    redis.disconnect()
  })

  it('is refused when it cannot be told', async () => {
    const redis = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    await using connection = shareConnection(redis)
    const { signals } = connection
    const wrong: unknown = () => {}
    expect(() => signals.watch('a:', wrong as KeyListener)).toThrow(
      'listener: watch wants an object with keys, flush, state, received a function',
    )
    expect(() => signals.subscribe('a', wrong as ChannelListener)).toThrow(
      'listener: subscribe wants an object with message, received a function',
    )
    redis.disconnect()
  })

  it('ends with that handle, also while another one uses the same client', async () => {
    const redis = new Redis(server.url, { maxRetriesPerRequest: null, socketTimeout: 15_000 })
    const closing = shareConnection(redis, { deadline: '5s' })
    const staying = shareConnection(redis)
    const told = { closing: [] as string[], staying: [] as string[], availability: 0 }
    closing.signals.subscribe('corral:news', { message: (text) => void told.closing.push(text) })
    staying.signals.subscribe('corral:news', { message: (text) => void told.staying.push(text) })
    closing.onAvailability(() => void told.availability++)
    await staying.signals.whenOn(10_000)
    await staying.publish('corral:news', 'first')
    await waitFor(() => told.closing.length === 1 && told.staying.length === 1)

    const before = told.availability
    await closing.close()
    await staying.publish('corral:news', 'second')
    await waitFor(() => told.staying.length === 2)
    staying.isolate()
    staying.reset()
    expect(told.closing).toEqual(['first'])
    expect(told.availability).toBe(before)

    closing.signals.subscribe('corral:news', { message: (text) => void told.closing.push(text) })
    await staying.publish('corral:news', 'third')
    await waitFor(() => told.staying.length === 3)
    expect(told.closing).toEqual(['first'])
    await staying.close()
    redis.disconnect()
  })
})
