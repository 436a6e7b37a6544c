import { createRateLimiter } from '@corral/client'
import type { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { callersOf } from '../harness/callers.ts'
import { compare } from '../harness/compare.ts'
import type { Row } from '../harness/row.ts'

const CALLERS = 64
const SUBJECTS = 1_000
/** So high that nobody is blocked in a run, and so low that everybody is. */
const PLENTY = 1_000_000_000
const subjectOf = (turn: number): string => `user:${turn % SUBJECTS}`

/** What people write by hand: a counter with its end set in the same step. */
const BY_HAND = `
local n = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if n == 1 or left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {n, left}`

async function byHand(client: Redis): Promise<(subject: string) => Promise<unknown>> {
  const sha = (await client.script('LOAD', BY_HAND)) as string
  return (subject) => client.evalsha(sha, 1, `bench:limit:${subject}`, 3_600_000)
}

/** A limiter asked by 64 callers at once: all admitted, and all blocked. */
export const rateLimitRow: Row = {
  name: 'rate-limit',
  async *measure(bed, effort) {
    const { raw, corral, client } = await bed.standalone()
    const ask = await byHand(raw)
    const base = { connection: corral, namespace: 'bench' }
    const hour = { algorithm: 'fixed-window', window: '1h' } as const

    const admits = createRateLimiter(base, { ...hour, limit: PLENTY, name: 'admits' })
    const storeClient = client()
    const peer = new RateLimiterRedis({
      storeClient,
      points: PLENTY,
      duration: 3_600,
      keyPrefix: 'a',
    })
    yield await compare(
      {
        name: `rate limit, admitted, ${CALLERS} callers`,
        floor: { kind: 'ratio', value: 1.5, lead: 1.1 },
        raw: callersOf('evalsha', CALLERS, (turn) => ask(subjectOf(turn))),
        corral: callersOf('corral', CALLERS, (turn) => admits.consume(subjectOf(turn))),
        peers: bed.withPeers
          ? [callersOf('rate-limiter-flexible', CALLERS, (turn) => peer.consume(subjectOf(turn)))]
          : [],
      },
      effort,
    )

    const blocks = createRateLimiter(base, { ...hour, limit: 1, name: 'blocks' })
    const blockingPeer = new RateLimiterRedis({
      storeClient,
      points: 1,
      duration: 3_600,
      keyPrefix: 'b',
      inMemoryBlockOnConsumed: 1,
    })
    // The first rejection opens the signals; only what is rejected afterwards is remembered.
    await blocks.consume('first')
    await blocks.consume('first')
    await corral.signals.whenOn(10_000)
    for (let turn = 0; turn < SUBJECTS; turn++) {
      for (let times = 0; times < 2; times++) {
        await blocks.consume(subjectOf(turn))
        await blockingPeer.consume(subjectOf(turn)).catch(() => undefined)
      }
    }
    yield await compare(
      {
        name: `rate limit, blocked, ${CALLERS} callers`,
        floor: { kind: 'ratio', value: 30, lead: 1.1 },
        raw: callersOf('evalsha', CALLERS, (turn) => ask(subjectOf(turn))),
        corral: callersOf(
          'corral',
          CALLERS,
          batchOf((turn) => blocks.consume(turn)),
          BATCH,
        ),
        peers: bed.withPeers
          ? [
              callersOf(
                'rate-limiter-flexible',
                CALLERS,
                batchOf((turn) => blockingPeer.consume(turn).catch(() => undefined)),
                BATCH,
              ),
            ]
          : [],
      },
      effort,
    )
    admits.close()
    blocks.close()
  },
}

/** So many answers from memory, then the event loop: alone they would never let the timer fire. */
const BATCH = 20

function batchOf(call: (subject: string) => Promise<unknown>): (turn: number) => Promise<void> {
  return async (turn) => {
    for (let i = 0; i < BATCH; i++) await call(subjectOf(turn + i))
    await new Promise(setImmediate)
  }
}
