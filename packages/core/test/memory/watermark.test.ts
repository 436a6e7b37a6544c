import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createWatermark, type MemoryUse } from '../../src/memory/watermark.ts'
import { openSide } from '../stamps/harness.ts'

let server: TestRedis

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

test('follows what a real Redis says of its memory', async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const side = openSide(server)
  const changes: [boolean, MemoryUse | undefined][] = []
  const watermark = createWatermark({
    connection: side.connection,
    random: () => 0,
    onChange: (...change) => changes.push(change),
  })
  const until = (stores: boolean): Promise<unknown> =>
    waitFor(() => watermark.mayStore === stores, { what: `mayStore ${stores}`, timeout: 15_000 })
  await until(true)
  await server.command('SET', 'filler', 'x'.repeat(4_000_000))
  const info = String(await server.command('INFO', 'memory'))
  const used = Number(/used_memory:(\d+)/.exec(info)?.[1])
  await server.command('CONFIG', 'SET', 'maxmemory', String(Math.round(used / 0.9)))
  await until(false)
  expect(changes[0]?.[1]).toMatchObject({ node: `${server.host}:${server.port}` })
  await server.command('DEL', 'filler')
  await until(true)
  expect(changes.map(([stores]) => stores)).toEqual([false, true])
  expect(warnings).toHaveBeenCalledTimes(1)
  warnings.mockRestore()
  watermark.close()
  await side.end()
})
