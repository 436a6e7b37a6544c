import { Agent, request } from 'node:http'
import { describe, expect, it, vi } from 'vitest'
import { freePort, startRedis } from '@corral/testing'
import { createInstances } from '../src/load/instances.ts'
import { ask } from './ask.ts'
import { environment, mutating } from './service-fixture.ts'
import { spawnProgram, spawnService } from './spawned-service.ts'

interface Traffic {
  /** Requests answered with 200, and when. */
  readonly answered: number[]
  /** Requests that were sent and not answered, and answers that are not 200. */
  readonly failures: string[]
  /** Resolves when every caller was told that nobody listens any more, or to stop. */
  readonly done: Promise<unknown>
  stop(): void
}

/** Callers on kept-alive connections, each asking again as soon as it is answered. */
function startTraffic(url: string, callers: number, stopsWithService = true): Traffic {
  const answered: number[] = []
  const failures: string[] = []
  let running = true

  async function call(caller: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let number = 0; running; number++) {
      // Half of them miss, so that there is always a query at work.
      const id = 1 + ((caller * 31 + number) % 200)
      const headers = number % 2 === 0 ? { 'cache-control': 'no-store' } : {}
      const outcome = await new Promise<number | string>((resolve) => {
        const one = request(`${url}/api/users/${id}`, { agent, headers }, (response) => {
          response.resume()
          response.once('end', () => resolve(response.statusCode ?? 0))
          response.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
        })
        one.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)))
        one.end()
      })
      if (outcome === 'ECONNREFUSED' && stopsWithService) break
      if (outcome === 200) answered.push(performance.now())
      else {
        failures.push(`caller ${caller}, request ${number}: ${outcome}`)
        break
      }
    }
    agent.destroy()
  }

  const done = Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
  return {
    answered,
    failures,
    done,
    stop() {
      running = false
    },
  }
}

async function queriesOf(url: string): Promise<number> {
  const stats = await ask('GET', `${url}/api/cache/stats`)
  return (stats.body as { source: { queries: number } }).source.queries
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s under load', (signal) => {
  it('answers what was accepted and ends by itself with status 0', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService({
      ...environment(redis.url),
      DATABASE_LATENCY: '30ms',
    })
    const traffic = startTraffic(service.url, 20)
    await vi.waitFor(() => expect(traffic.answered.length).toBeGreaterThan(200), {
      timeout: 20_000,
    })
    const signalled = performance.now()
    service.child.kill(signal)
    await traffic.done
    expect(traffic.failures).toEqual([])
    expect(traffic.answered.filter((at) => at > signalled).length).toBeGreaterThan(0)
    expect(await service.exit).toBe(0)
    expect(performance.now() - signalled).toBeLessThan(5000)
    expect(service.output()).toBe('')
  })
})

describe('SIGTERM while requests wait for the source', () => {
  it('lets each of them have its answer', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService({
      ...environment(redis.url),
      DATABASE_LATENCY: '3s',
      DATABASE_POOL: '50',
    })
    // Loads, requests that share one, and requests that go past the cache: a connection each.
    const held = Array.from({ length: 40 }, (_, index) =>
      ask('GET', `${service.url}/api/users/${1 + (index % 25)}`, {
        headers: index < 30 ? {} : { 'cache-control': 'no-store' },
      }),
    )
    let answers = 0
    for (const one of held) void one.then(() => answers++)
    await vi.waitFor(async () => expect(await queriesOf(service.url)).toBe(35), {
      timeout: 20_000,
    })
    expect(answers).toBe(0)
    service.child.kill('SIGTERM')
    for (const answer of await Promise.all(held)) {
      expect(answer.status).toBe(200)
      expect(answer.headers.get('connection')).toBe('close')
    }
    expect(await service.exit).toBe(0)
  })

  it('fails nobody when a second instance stands behind the same port', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using instances = createInstances(new URL('../src/main.ts', import.meta.url), {
      ...environment(redis.url),
      DATABASE_LATENCY: '200ms',
      DATABASE_POOL: '100',
    })
    let [first, second] = await Promise.all([instances.start(), instances.start()])
    expect(first.url).toBe(second.url)
    const traffic = startTraffic(first.url, 20, false)
    // Each is replaced by a new one; the other one goes on alone meanwhile.
    for (let time = 0; time < 2; time++) {
      const before = traffic.answered.length
      await vi.waitFor(() => expect(traffic.answered.length).toBeGreaterThan(before + 100), {
        timeout: 20_000,
      })
      // Half of the callers wait for the source at any time: some of them are cut here or nobody is.
      first.worker.process.kill('SIGTERM')
      expect(await first.exit).toBe(0)
      ;[first, second] = [second, await instances.start()]
    }
    traffic.stop()
    await traffic.done
    expect(traffic.failures).toEqual([])
  }, 120_000)
})

async function addJob(url: string, id: string): Promise<void> {
  const response = await fetch(`${url}/api/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...mutating },
    body: JSON.stringify({ userId: 1, id }),
  })
  expect(response.status).toBe(202)
}

describe('stopping', () => {
  it('lets a job at work finish', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService({
      ...environment(redis.url),
      DATABASE_LATENCY: '600ms',
    })
    await addJob(service.url, 'last-job')
    await vi.waitFor(async () => {
      expect(await redis.command('LLEN', 'bull:service:active')).toBe(1)
    })
    service.child.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    expect(await redis.command('ZRANGE', 'bull:service:completed', 0, -1)).toEqual(['last-job'])
  })

  it('ends in time although Redis is frozen', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService({ ...environment(redis.url), SHUTDOWN_TIMEOUT: '4s' })
    await fetch(`${service.url}/api/users/1`)
    await redis.pause()
    const start = performance.now()
    service.child.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    expect(performance.now() - start).toBeLessThan(4000)
  })

  it('ends in time although there never was a Redis', async () => {
    const port = await freePort()
    await using service = await spawnService(environment(`redis://127.0.0.1:${port}`))
    const start = performance.now()
    service.child.kill('SIGTERM')
    expect(await service.exit).toBe(0)
    expect(performance.now() - start).toBeLessThan(4000)
  })

  it('says with its status that a job was cut off', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService({
      ...environment(redis.url),
      DATABASE_LATENCY: '20s',
      SHUTDOWN_TIMEOUT: '2s',
    })
    await addJob(service.url, 'long-job')
    await vi.waitFor(async () => {
      expect(await redis.command('LLEN', 'bull:service:active')).toBe(1)
    })
    service.child.kill('SIGTERM')
    expect(await service.exit).toBe(1)
    // Still with the queue, for another worker.
    expect(await redis.command('LRANGE', 'bull:service:active', 0, -1)).toEqual(['long-job'])
  })

  it('happens when the parent that started it is gone', async () => {
    await using redis = await startRedis({ prefer: 'binary' })
    await using service = await spawnService(environment(redis.url))
    service.child.disconnect()
    expect(await service.exit).toBe(0)
  })
})

describe('a bad configuration', () => {
  it('ends the process with one message that lists everything and no secret', async () => {
    await using service = spawnProgram('main.ts', {
      REDIS_URL: 'http://:canary@localhost',
      API_KEY: 'canary',
      PORT: '-1',
    })
    expect(await service.exit).toBe(1)
    expect(service.output()).toBe(
      [
        'Bad configuration:',
        '  - PORT: must be a whole number from 0 to 65535, received "-1"',
        '  - REDIS_URL: must begin with redis:// or rediss://',
        '  - API_KEY: must be 16 to 512 printable characters without spaces',
        '',
      ].join('\n'),
    )
  })
})
