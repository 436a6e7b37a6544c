import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { monitor, startProxy, startRedis } from '../src/index.ts'

it('tells all that clients sent, with and without what scripts ran, and by whom', async () => {
  await using redis = await startRedis({ args: ['--requirepass', 'secret'] })
  await using watch = await monitor(redis)
  const client = new Redis(redis.url, { db: 3 })
  await client.set('kéy "quoted"\\', 'line\r\nbreak\u0007')
  await client.eval("redis.call('SET', KEYS[1], 'x')", 1, 'scripted')
  const address = /addr=(\S+).*db=3/.exec(String(await client.client('LIST')))?.[1] ?? ''

  const sent = await watch.commands({ client: address })
  expect(sent.find((c) => c.name === 'SET')).toMatchObject({
    args: ['kéy "quoted"\\', 'line\r\nbreak\u0007'],
    db: 3,
    lua: false,
  })
  expect(sent.filter((c) => c.name === 'SET')).toHaveLength(1)
  expect((await watch.commands()).some((c) => c.name === 'ECHO')).toBe(false)
  const inside = (await watch.commands({ lua: true })).filter((c) => c.lua)
  expect(inside).toMatchObject([{ name: 'SET', args: ['scripted', 'x'] }])

  await watch.clear()
  await client.get('a')
  expect((await watch.commands()).map(({ name, args }) => [name, ...args])).toEqual([['GET', 'a']])
  client.disconnect()
})

it('is complete at once, however much was sent just before', async () => {
  await using redis = await startRedis()
  await using watch = await monitor(redis)
  const client = new Redis(redis.url)
  await client.ping()
  await watch.clear()
  for (let round = 1; round <= 5; round++) {
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => client.set(`k${i}`, 'v')))
    expect(await watch.commands()).toHaveLength(2_000 * round)
  }
  client.disconnect()
})

it('waits for what is still on its way', async () => {
  await using redis = await startRedis()
  await using proxy = await startProxy({ target: redis })
  await using watch = await monitor(proxy)
  // The record of 2,000 commands takes much longer than the marker's own answer.
  proxy.bandwidth(500_000)
  const client = new Redis(redis.url)
  await client.ping()
  await watch.clear()
  await Promise.all(Array.from({ length: 2_000 }, (_, i) => client.set(`k${i}`, 'v')))
  expect(await watch.commands()).toHaveLength(2_000)
  client.disconnect()
})
