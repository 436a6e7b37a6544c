import { openRawConnection, startRedis, type RawConnection, type TestRedis } from '@corral/testing'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeEntry, entryIdentity, leaseText, refreshLeaseKey } from '../../src/protocol/index.ts'
import { allGuards } from './model/guards.ts'
import { createMiniRedis } from './model/mini-redis.ts'
import { runOnModel } from './model/model-scripts.ts'
import { runScript, serverNow } from './run-script.ts'
import {
  leaseScript,
  refreshScript,
  stampScript,
  sweepScript,
  type Script,
  type Timed,
  type WriteOperation,
  writeScript,
} from './protocol.ts'

/** The model or the real thing; the same symbolic actions are turned into requests on each. */
interface Side {
  run<Q extends Timed, R>(script: Script<Q, R>, request: Q): Promise<R>
  nowMs(): Promise<number>
  /** Text of a string, '(list)', or undefined. */
  look(key: string): Promise<string | undefined>
  ends(key: string): Promise<boolean>
  put(key: string, what: string): Promise<void>
  full(on: boolean): Promise<void>
  /** The last lease granted, and the last stamp. */
  lease: { token: string; at: number }
  stamp: number
}

const KEYS = ['n::a', 'n::b'] as const
const STAMP = 'corral:stamp:{n}'
const key = fc.constantFrom(...KEYS)
const id = fc.constantFrom('lease', 'current', 'wrong')
const operation = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key, ttl: fc.constantFrom(60_000, Infinity) }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({
    op: fc.constantFrom('fill' as const, 'remove' as const, 'extend' as const),
    key,
    id,
  }),
)
const late = fc.nat(9).map((n) => n === 0)
const action = fc.oneof(
  fc.record({
    do: fc.constant('lease' as const),
    keys: fc.shuffledSubarray([...KEYS], { minLength: 1 }),
    dead: fc.constantFrom('none', 'current', 'wrong'),
    again: fc.boolean(),
    late,
  }),
  fc.record({ do: fc.constant('refresh' as const), key, id, again: fc.boolean(), late }),
  fc.record({
    do: fc.constant('write' as const),
    operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
    late,
  }),
  fc.record({ do: fc.constant('stamp' as const), ttl: fc.constantFrom(60_000, Infinity), late }),
  fc.record({ do: fc.constant('sweep' as const), late }),
  fc.record({
    do: fc.constant('put' as const),
    key,
    what: fc.constantFrom(
      '(list)',
      '(nothing)',
      '{"value":{"v":1}}',
      '42',
      'garbage',
      '{"c":2,"at":7,"x"',
    ),
  }),
  fc.record({ do: fc.constant('full' as const), on: fc.boolean() }),
)
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

async function identityOn(side: Side, name: string, of: string): Promise<string> {
  if (name === 'lease') return leaseText(side.lease.token, side.lease.at)
  const text = await side.look(of)
  return name === 'current' && text !== undefined ? entryIdentity(text) : 'f'.repeat(40)
}

async function act(side: Side, it: Action, token: string): Promise<unknown> {
  const deadline = (await side.nowMs()) + ('late' in it && it.late ? -5 : 60_000)
  switch (it.do) {
    case 'lease': {
      const used = it.again ? side.lease.token : token
      const dead = await Promise.all(
        it.keys.map(async (k) =>
          it.dead === 'none' ? undefined : await identityOn(side, it.dead, k),
        ),
      )
      const replies = await side.run(leaseScript, {
        keys: it.keys,
        deadline,
        token: used,
        ttlMs: 60_000,
        dead,
      })
      for (const reply of replies)
        if (reply.status === 'held') side.lease = { token: used, at: reply.at }
      return replies
    }
    case 'refresh': {
      const used = it.again ? side.lease.token : token
      const identity = await identityOn(side, it.id, it.key)
      const leaseKey = refreshLeaseKey(it.key)
      const request = { key: it.key, leaseKey, deadline, token: used, ttlMs: 60_000, identity }
      return side.run(refreshScript, request)
    }
    case 'write': {
      const operations: WriteOperation[] = []
      for (const one of it.operations) {
        const tail = encodeEntry({ redisKey: one.key, value: { v: 1 }, seen: [7] }) as string
        if (one.op === 'set') operations.push({ ...one, ttlMs: one.ttl, tail })
        else if (one.op === 'delete') operations.push(one)
        else {
          const identity = await identityOn(side, one.id, one.key)
          operations.push({
            op: one.op,
            key: one.key,
            identity,
            ttlMs: 60_000,
            at: side.lease.at,
            tail,
          })
        }
      }
      return side.run(writeScript, { deadline, operations })
    }
    case 'stamp': {
      const stamps = await side.run(stampScript, { keys: [STAMP], deadline, ttlMs: it.ttl })
      side.stamp = stamps?.[0] ?? side.stamp
      return stamps
    }
    case 'sweep': {
      const request = { keys: KEYS, deadline, stamp: side.stamp, skewUs: 0, prefix: 'n::' }
      return side.run(sweepScript, request)
    }
    case 'put':
      return side.put(it.key, it.what)
    case 'full':
      return side.full(it.on)
  }
}

/** Times differ between the two; which of them are equal must not. */
function createNormaliser(): (value: unknown) => string {
  const names = new Map<string, string>()
  return (value) =>
    JSON.stringify(value)
      .replaceAll(/\b\d{16}\b/g, (us) => {
        if (!names.has(us)) names.set(us, `us${names.size}`)
        return names.get(us) as string
      })
      .replaceAll(/\b\d{13}\b/g, 'ms')
      .replaceAll(/"remainingMs":\d+/g, '"remainingMs":some')
}

function modelSide(): Side {
  const mini = createMiniRedis()
  return {
    lease: { token: 'none', at: 0 },
    stamp: 0,
    async run(script, request) {
      mini.advance(7)
      return runOnModel(mini, allGuards, script, request)
    },
    nowMs: async () => Math.floor(mini.now('') / 1000),
    async look(k) {
      const cell = mini.cell(k)
      return cell?.type === 'list' ? '(list)' : cell?.text
    },
    ends: async (k) => mini.cell(k)?.endsAt !== undefined,
    async put(k, what) {
      if (what === '(nothing)') mini.cells.delete(k)
      else if (what === '(list)') mini.cells.set(k, { type: 'list', text: '', endsAt: undefined })
      else mini.set(k, what)
    },
    async full(on) {
      mini.full = on
    },
  }
}

function realSide(redis: Redis, { send }: RawConnection): Side {
  const setMaxmemory = (bytes: string) => send('CONFIG', 'SET', 'maxmemory', bytes)
  return {
    lease: { token: 'none', at: 0 },
    stamp: 0,
    run: (script, request) => runScript(redis, script, request),
    nowMs: () => serverNow(redis),
    async look(k) {
      const type = await redis.type(k)
      return type === 'list' ? '(list)' : ((await redis.get(k)) ?? undefined)
    },
    ends: async (k) => (await redis.pttl(k)) >= 0,
    async put(k, what) {
      await setMaxmemory('0')
      await redis.del(k)
      if (what === '(list)') await redis.rpush(k, 'x')
      else if (what !== '(nothing)') await redis.set(k, what)
    },
    async full(on) {
      await setMaxmemory(on ? '1' : '0')
    },
  }
}

describe('the model and the Lua scripts', () => {
  let server: TestRedis
  let redis: Redis
  let byHand: RawConnection
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    byHand = await openRawConnection(server)
  })
  afterAll(async () => {
    redis.disconnect()
    byHand.close()
    await server.stop()
  })

  test('answer and leave the same after any sequence of calls', async () => {
    let token = 0
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 14 }), async (actions) => {
        await byHand.send('CONFIG', 'SET', 'maxmemory', '0')
        await byHand.send('FLUSHALL')
        const sides = [modelSide(), realSide(redis, byHand)].map((side) => ({
          side,
          normalise: createNormaliser(),
        }))
        let full = false
        for (const it of actions) {
          if (it.do === 'full') full = it.on
          token++
          const seen: string[] = []
          for (const { side, normalise } of sides) {
            const reply = await act(side, it, `token${token}`)
            if (it.do === 'put') await side.full(full)
            const state: unknown[] = []
            for (const k of [...KEYS, refreshLeaseKey(KEYS[0]), STAMP])
              state.push((await side.look(k)) ?? null, await side.ends(k))
            seen.push(normalise([reply ?? null, ...state]))
          }
          expect(seen[1]).toBe(seen[0])
        }
      }),
      { numRuns: 600 },
    )
  })
})
