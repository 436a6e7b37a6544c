import { Redis } from 'ioredis'
import { afterEach, expect, it, vi } from 'vitest'
import { startRedis } from '@corral/testing'
import { openForeignWriter } from '../src/demo/foreign-writer.ts'

const { PATH } = process.env
afterEach(() => {
  process.env['PATH'] = PATH
})

const TEXT = JSON.stringify({ value: `it's "quoted" \\ and \n on two lines é` })

it.each([
  ['redis-cli', ''],
  ['a plain connection', '/nowhere'],
] as const)('%s writes what it is given, behind a password, too', async (name, path) => {
  await using server = await startRedis({ prefer: 'binary' })
  await server.command('CONFIG', 'SET', 'requirepass', 'a secret')
  const url = `redis://:a%20secret@${server.host}:${server.port}`
  if (path !== '') process.env['PATH'] = path
  const writer = await openForeignWriter(url)
  const reader = new Redis(url)
  try {
    expect(writer.name).toBe(name)
    writer.set('some::key', TEXT, 60_000)
    await vi.waitFor(async () => expect(await reader.get('some::key')).toBe(TEXT))
    expect(await reader.pttl('some::key')).toBeGreaterThan(50_000)
  } finally {
    await writer.close()
    reader.disconnect()
  }
})
