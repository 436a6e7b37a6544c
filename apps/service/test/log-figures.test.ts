import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { startFixture, type Fixture } from './service-fixture.ts'

let fixture: Fixture

beforeAll(async () => {
  fixture = await startFixture({ METRICS_LOG_EVERY: '1s' })
})
afterAll(() => fixture[Symbol.asyncDispose]())

it('figures are logged again and again, until the service is closed', async () => {
  const { app, close } = fixture.service
  // Looked up with each line, so that a spy that comes later hears it.
  const info = vi.spyOn(app.log, 'info')
  const lines = () =>
    info.mock.calls.filter(([, line]) => String(line).startsWith('cache service:v1: '))
  for (let time = 0; time < 4; time++) await app.inject('/api/users/1')
  await vi.waitFor(() => expect(lines().length).toBeGreaterThan(1), { timeout: 5000 })
  const [fields, line] = lines().at(-1) ?? []
  expect(fields).toMatchObject({ cache: 'service:v1', hitRate: 0.75, reads: 4, breaker: 'closed' })
  expect(line).toContain('hitRate=0.75')

  await close()
  const before = lines().length
  const closedAt = performance.now()
  await vi.waitFor(() => expect(performance.now() - closedAt).toBeGreaterThan(1500), {
    timeout: 3000,
  })
  expect(lines().length).toBe(before)
})
