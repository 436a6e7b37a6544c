/** Figures for docs/decisions/0001: `npx tsx --conditions=@corral/source test/protocol/measure.ts` */
import { startRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import {
  composeEntry,
  decodeEntry,
  encodeEntry,
  leaseText,
  leaseToken,
} from '../../src/protocol/index.ts'
import { runScript, serverNow } from './run-script.ts'
import { leaseScript, stampScript, type WriteOperation, writeScript } from './protocol.ts'

const ROUNDS = 5
const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const server = await startRedis()
const redis = new Redis(server.url)
const deadline = (await serverNow(redis)) + 3_600_000
const value = { name: 'x'.repeat(150), list: [1, 2, 3] }
const median = (list: number[]): number =>
  list.toSorted((a, b) => a - b)[list.length >> 1] as number

const key = (i: number): string => `b::user:${i % 1000}`
const setOne = (i: number): WriteOperation => ({
  op: 'set',
  key: key(i),
  ttlMs: 60_000,
  tail: encodeEntry({ redisKey: key(i), value }) as string,
})
const plain = (i: number): [string, string, 'PX', number] => [
  key(i),
  JSON.stringify({ value }),
  'PX',
  60_000,
]
const take = (i: number, token = leaseToken()) =>
  runScript(redis, leaseScript, { keys: [`b::miss:${i}`], deadline, token, ttlMs: 60_000 })
const cycle = async (i: number): Promise<void> => {
  const token = leaseToken()
  await redis.get(`b::miss:${i}`)
  const [held] = await take(i, token)
  const at = held?.status === 'held' ? held.at : 0
  const tail = encodeEntry({ redisKey: `b::miss:${i}`, value }) as string
  await runScript(redis, writeScript, {
    deadline,
    operations: [
      { op: 'fill', key: `b::miss:${i}`, identity: leaseText(token, at), ttlMs: 60_000, at, tail },
    ],
  })
}

const cases: Record<string, (i: number) => Promise<unknown>> = {
  'GET, a hit': (i) => redis.get(key(i)),
  'lease script, a hit': (i) =>
    runScript(redis, leaseScript, { keys: [key(i)], deadline, token: 't', ttlMs: 1000 }),
  'SET PX': (i) => redis.set(...plain(i)),
  'write script, one set': (i) =>
    runScript(redis, writeScript, { deadline, operations: [setOne(i)] }),
  'SET NX PX (a bare lease)': (i) => redis.set(`b::bare:${i}`, 't', 'PX', 60_000, 'NX'),
  'lease script, a miss': (i) => take(i),
  'miss and fill: GET, SET': async (i) => {
    await redis.get(`b::miss:${i}`)
    await redis.set(`b::miss:${i}`, JSON.stringify({ value }), 'PX', 60_000)
  },
  'miss and fill: GET, lease, fill': cycle,
  DEL: (i) => redis.del(key(i)),
  'write script, one delete': (i) =>
    runScript(redis, writeScript, { deadline, operations: [{ op: 'delete', key: key(i) }] }),
  'stamp script': () =>
    runScript(redis, stampScript, { keys: ['corral:stamp:{b}'], deadline, ttlMs: Infinity }),
}

async function throughput(
  run: (i: number) => Promise<unknown>,
  inFlight: number,
  total: number,
): Promise<number> {
  let next = 0
  const start = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < total) await run(next++)
    }),
  )
  return total / ((performance.now() - start) / 1000)
}

/** Microseconds that Redis spent in these commands; what a script runs inside counts within EVALSHA. */
async function serverTime(commands: string[], script: boolean): Promise<number> {
  const stats = await redis.info('commandstats')
  const rows = [...stats.matchAll(/cmdstat_(\w+):calls=(\d+),usec=(\d+)/g)]
  const counted = rows.filter(([, name]) =>
    script ? name === 'evalsha' : commands.includes(name as string),
  )
  return counted.reduce((sum, [, , , us]) => sum + Number(us), 0)
}

async function prepare(): Promise<void> {
  await redis.flushall()
  await Promise.all(
    Array.from({ length: 1000 }, (_, i) =>
      runScript(redis, writeScript, { deadline, operations: [setOne(i)] }),
    ),
  )
}

const single: Record<string, number[]> = {}
const many: Record<string, number[]> = {}
const costs: Record<string, number[]> = {}
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(cases)) {
    await prepare()
    const one = await throughput(run, 1, 2000)
    await prepare()
    await redis.config('RESETSTAT')
    const sixtyFour = await throughput(run, 64, 12_000)
    const cost =
      (await serverTime(
        ['evalsha', 'get', 'set', 'del'],
        name.includes('script') || name.includes('fill: GET, lease'),
      )) / 12_000
    if (round === 0)
      continue // warm-up
    ;(single[name] ??= []).push(1000 / one)
    ;(many[name] ??= []).push(sixtyFour)
    ;(costs[name] ??= []).push(cost)
  }
}
print(
  '| operation | mean latency, 1 caller (ms) | ops/s, 64 callers | server µs |\n|---|---|---|---|',
)
for (const name of Object.keys(cases)) {
  print(
    `| ${name} | ${median(single[name] ?? []).toFixed(3)} | ${Math.round(median(many[name] ?? []))} | ${median(costs[name] ?? []).toFixed(1)} |`,
  )
}

const hundred = Array.from({ length: 100 }, (_, i) => i)
const batches: Record<string, () => Promise<unknown>> = {
  'MSET of 100 (no ttl)': () =>
    redis.mset(hundred.flatMap((i) => plain(i).slice(0, 2) as string[])),
  '100 SET PX, one pipeline': () => {
    const pipeline = redis.pipeline()
    for (const i of hundred) pipeline.set(...plain(i))
    return pipeline.exec()
  },
  '100 SET PX, same tick': () => Promise.all(hundred.map((i) => redis.set(...plain(i)))),
  'write script of 100 sets': () =>
    runScript(redis, writeScript, { deadline, operations: hundred.map(setOne) }),
  'write script of 100 deletes': () =>
    runScript(redis, writeScript, {
      deadline,
      operations: hundred.map((i) => ({ op: 'delete' as const, key: key(i) })),
    }),
}
print(
  '\n| batch | entries/s, 1 caller | entries/s, 5 callers | server time per call (µs) |\n|---|---|---|---|',
)
for (const [name, run] of Object.entries(batches)) {
  const one: number[] = []
  const five: number[] = []
  await prepare()
  await throughput(run, 1, 100)
  await redis.config('RESETSTAT')
  for (let round = 0; round < ROUNDS; round++) {
    one.push((await throughput(run, 1, 200)) * 100)
    five.push((await throughput(run, 5, 400)) * 100)
  }
  const stats = await redis.info('commandstats')
  const calls = [...stats.matchAll(/cmdstat_(\w+):calls=(\d+),usec=(\d+)/g)]
  const counted = calls.filter(([, command]) => ['evalsha', 'mset'].includes(command as string))
  const sets = name.includes('SET PX') ? calls.filter(([, command]) => command === 'set') : counted
  const perCall = sets.map(
    ([, , n, us]) => (Number(us) / Number(n)) * (name.includes('SET PX') ? 100 : 1),
  )
  print(
    `| ${name} | ${Math.round(median(one))} | ${Math.round(median(five))} | ${perCall.map((us) => us.toFixed(0)).join()} |`,
  )
}

print('\n| text | encode ns | decode ns | JSON.parse alone ns |\n|---|---|---|---|')
for (const [name, sample] of [
  ['200 B', value],
  ['4 KB', Array.from({ length: 40 }, (_, i) => ({ id: i, name: 'y'.repeat(80) }))],
  [
    '4 KB with a colon string',
    [':', ...Array.from({ length: 40 }, (_, i) => ({ id: i, name: 'y'.repeat(80) }))],
  ],
] as const) {
  const text = composeEntry(
    encodeEntry({ redisKey: 'b::k', value: sample, tags: ['t'] }) as string,
    1_795_148_236_136_123,
    1_795_151_836_136,
  )
  const time = (run: () => unknown): string => {
    const rounds: number[] = []
    for (let round = 0; round < 7; round++) {
      const start = performance.now()
      for (let i = 0; i < 20_000; i++) run()
      rounds.push(((performance.now() - start) / 20_000) * 1e6)
    }
    return median(rounds).toFixed(0)
  }
  print(
    `| ${name} | ${time(() => encodeEntry({ redisKey: 'b::k', value: sample, tags: ['t'] }))} | ${time(() => decodeEntry(text, 'b::k'))} | ${time(() => JSON.parse(text))} |`,
  )
}
redis.disconnect()
await server.stop()
