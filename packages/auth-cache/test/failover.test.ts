import { startRedis, waitFor, type RedisNode, type TestRedis } from '@corral/testing'
import { describe, expect, it } from 'vitest'
import type { AuthCacheOptions } from '../src/index.ts'
import { clients, codeOf, majors, sideOn, source, type Major, type Side } from './bed.ts'

function behindSentinel(
  redis: TestRedis,
  major: Major,
  options: Omit<AuthCacheOptions, 'cache'> = {},
): Side {
  const client = new clients[major].Redis({
    sentinels: redis.sentinels!.map(({ host, port }) => ({ host, port })),
    name: redis.masterName!,
    maxRetriesPerRequest: null,
    failoverDetector: true,
    retryStrategy: () => 50,
    sentinelRetryStrategy: () => 50,
  })
  // A failover that its detector notices while it reconnects ends an ioredis client for good.
  const again = (): void => void client.connect().catch(() => {})
  client.on('end', again)
  const side = sideOn(client, options, '200ms')
  return {
    ...side,
    end() {
      client.off('end', again)
      return side.end()
    },
  }
}

function onCluster(
  redis: TestRedis,
  major: Major,
  options: Omit<AuthCacheOptions, 'cache'> = {},
): Side {
  const client = new clients[major].Cluster([{ host: redis.host, port: redis.port }])
  return sideOn(client, options, '200ms')
}

async function serves({ connection, auth }: Side): Promise<void> {
  await waitFor(
    async () => connection.available && (await auth.setToken('warm', { userId: 'nobody' })),
    { what: 'the master', timeout: 30_000 },
  )
}

const modes = [
  { mode: 'sentinel', open: behindSentinel },
  { mode: 'cluster', open: onCluster },
] as const
const cases = modes.flatMap((it) => majors.map((major) => ({ ...it, major })))

describe.each(cases)('a failover, $mode, ioredis $major', ({ mode, open, major }) => {
  it('takes no revocation back that had reached the replica; what waits is sent to the new master', async () => {
    await using redis = await startRedis({ mode, prefer: 'binary' })
    const [one, two, near] = [
      open(redis, major),
      open(redis, major),
      open(redis, major, { near: {} }),
    ]
    const sides = [one, two, near]
    try {
      for (const side of sides) await serves(side)
      await near.connection.signals.whenOn(20_000)
      const db = source((token) => token.split('-')[0])
      const tokens = ['ada-1', 'ada-2', 'bob-1', 'bob-2', 'eve-1']
      for (const { auth } of sides) {
        for (const token of tokens) {
          await waitFor(
            async () => (await codeOf(auth.authenticate(token, db.verify))) === 'resolved',
          )
        }
      }
      await one.auth.revokeToken('bob-1')
      await one.auth.revokeUser('ada')
      const key = 'corral:auth:{app:auth}:u:*'
      await waitFor(async () => (await holdersOf(redis, key)).length === 2)
      const [holder] = (await holdersOf(redis, key)).filter(({ role }) => role === 'master') as [
        RedisNode,
      ]

      await redis.pause(holder)
      // Nobody acknowledges this one; it holds here all the same.
      expect(await codeOf(two.auth.revokeUser('bob'))).toBe('REVOCATION_PENDING')
      expect(await codeOf(two.auth.authenticate('bob-2', db.verify))).toBe('TOKEN_REVOKED')
      await redis.failover(holder)
      await redis.kill(holder)
      for (const side of sides) await serves(side)

      for (const { auth } of sides) {
        for (const token of ['ada-1', 'ada-2', 'bob-1']) {
          expect(await codeOf(auth.authenticate(token, db.verify))).toBe('TOKEN_REVOKED')
        }
        await waitFor(
          async () => (await codeOf(auth.authenticate('bob-2', db.verify))) === 'TOKEN_REVOKED',
          { timeout: 20_000 },
        )
        expect(await codeOf(auth.authenticate('eve-1', db.verify))).toBe('resolved')
      }
      // Revocations go on where they were, and reach everybody.
      await waitFor(async () => (await codeOf(two.auth.revokeUser('eve'))) === 'resolved')
      expect(await codeOf(one.auth.authenticate('eve-1', db.verify))).toBe('TOKEN_REVOKED')
      await near.connection.signals.whenOn(20_000)
      await waitFor(
        async () => (await codeOf(near.auth.authenticate('eve-1', db.verify))) === 'TOKEN_REVOKED',
      )
      expect(await codeOf(one.auth.authenticate('eve-2', db.verify))).toBe('resolved')
    } finally {
      await Promise.all(sides.map((side) => side.end()))
    }
  }, 120_000)
})

describe.each(majors)('behind Sentinel, ioredis %s', (major) => {
  it('a revocation that no replica had is lost with its master, but where it is known', async () => {
    await using redis = await startRedis({ mode: 'sentinel', prefer: 'binary' })
    const [one, two] = [behindSentinel(redis, major), behindSentinel(redis, major)]
    try {
      for (const side of [one, two]) await serves(side)
      const db = source()
      for (const { auth } of [one, two]) await auth.authenticate('t', db.verify)
      const replica = redis.nodes.find(({ role }) => role === 'replica')!
      const master = redis.nodes.find(({ role }) => role === 'master')!
      await waitFor(
        async () =>
          ((await redis.commandOn(replica, 'KEYS', 'app:auth::t:*')) as string[]).length === 1,
      )
      await redis.pause(replica)
      // Or it would find the revocation in its socket when it goes on.
      await redis.commandOn(master, 'CLIENT', 'KILL', 'TYPE', 'replica')
      await one.auth.revokeToken('t')
      expect(await codeOf(two.auth.setToken('t').then(() => two.auth.getToken('t')))).toBe(
        'resolved',
      )
      await redis.kill(master)
      await redis.resume(replica)
      await redis.failover(master)
      for (const side of [one, two]) await serves(side)
      expect(await codeOf(one.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      const fresh = behindSentinel(redis, major)
      try {
        await serves(fresh)
        // As documented: replication is asynchronous.
        expect(await codeOf(fresh.auth.authenticate('t', db.verify))).toBe('resolved')
      } finally {
        await fresh.end()
      }
      // Revoked once more, it is for good.
      await waitFor(async () => (await codeOf(one.auth.revokeToken('t'))) === 'resolved')
      const later = behindSentinel(redis, major)
      try {
        await serves(later)
        expect(await codeOf(later.auth.authenticate('t', db.verify))).toBe('TOKEN_REVOKED')
      } finally {
        await later.end()
      }
    } finally {
      await Promise.all([one.end(), two.end()])
    }
  }, 120_000)
})

/** The nodes that have such a key, masters and replicas. */
async function holdersOf(redis: TestRedis, pattern: string): Promise<RedisNode[]> {
  const counts = await Promise.all(
    redis.nodes.map(async (node) => (await redis.commandOn(node, 'KEYS', pattern)) as string[]),
  )
  return redis.nodes.filter((_node, index) => counts[index]!.length > 0)
}
