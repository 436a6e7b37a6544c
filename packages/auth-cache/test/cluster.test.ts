import { shareConnection } from '@corral/connection'
import { createCache } from '@corral/core'
import { startRedis, waitFor, type TestRedis } from '@corral/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAuthCache, type AuthCache } from '../src/index.ts'
import { clients, codeOf, majors, source, type Major } from './bed.ts'

let server: TestRedis
const ends: (() => Promise<void>)[] = []

beforeAll(async () => {
  server = await startRedis({ mode: 'cluster' })
})
afterAll(async () => {
  for (const end of ends) await end()
  await server.stop()
})

async function open(near: boolean, major: Major): Promise<AuthCache> {
  const client = new clients[major].Cluster([{ host: server.host, port: server.port }])
  client.on('error', () => {})
  const connection = shareConnection(client, { deadline: '5s', onWarning: () => {} })
  await waitFor(() => connection.set('warm', '1').then(() => true), { timeout: 30_000 })
  const cache = createCache({ connection, namespace: 'app' })
  const auth = createAuthCache({ cache, ...(near && { near: {} }) })
  if (near) await connection.signals.whenOn(20_000)
  ends.push(async () => {
    await auth.close()
    await cache.close()
    await connection.close()
    client.disconnect()
  })
  return auth
}

it.each(majors)(
  'holds on a cluster of several servers, ioredis %s',
  async (major) => {
    const [one, two, near] = [
      await open(false, major),
      await open(false, major),
      await open(true, major),
    ]
    const db = source((token) => token.split('-')[0])
    const users = Array.from({ length: 12 }, (_, i) => `u${major}${i}`)
    for (const user of users) {
      for (const auth of [one, two, near, near]) {
        for (const n of [1, 2]) await auth.authenticate(`${user}-${n}`, db.verify)
      }
    }
    expect(db.calls).toBe(2 * users.length)
    for (const user of users) {
      await one.revokeToken(`${user}-1`)
      expect(await codeOf(two.authenticate(`${user}-1`, db.verify))).toBe('TOKEN_REVOKED')
      expect(await codeOf(two.authenticate(`${user}-2`, db.verify))).toBe('resolved')
      const held = db.hold()
      const call = codeOf(two.authenticate(`${user}-3`, db.verify))
      const release = await held
      await one.revokeUser(user)
      release()
      expect(await call).toBe('TOKEN_REVOKED')
      expect(await codeOf(two.authenticate(`${user}-2`, db.verify))).toBe('TOKEN_REVOKED')
      await waitFor(
        async () => (await codeOf(near.authenticate(`${user}-2`, db.verify))) === 'TOKEN_REVOKED',
      )
      expect(await codeOf(two.authenticate(`${user}-4`, db.verify))).toBe('resolved')
    }
    await one.revokeAll()
    for (const user of users) {
      expect(await codeOf(two.authenticate(`${user}-4`, db.verify))).toBe('TOKEN_REVOKED')
    }
  },
  120_000,
)
