import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startRedis } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import { majors } from './harness.ts'

const program = fileURLToPath(new URL('listening-process.ts', import.meta.url))
const start = ['--import', 'tsx', '--conditions=@corral/source', program]

describe.each(majors)('ioredis $major', ({ major }) => {
  it('does not keep a process alive whose owner ended the client', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    const args = [...start, String(major), String(redis.port)]
    // Killed after the time-out, which rejects.
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 })
    expect(stdout.trim()).toBe('on')
  }, 30_000)
})
