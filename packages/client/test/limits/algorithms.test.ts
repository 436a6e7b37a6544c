import { type Connection, ownKey, shareConnection } from '@corral/connection'
import { startRedis, type TestRedis } from '@corral/testing'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Duration, RateAlgorithm } from '../../src/index.ts'
import {
  type Engine,
  ENGINES,
  manyRulesScript,
  type Mode,
  ruleScripts,
} from '../../src/limits/lua/limit-script.ts'
import { resolveRule, type RateRule, type ResolvedRule } from '../../src/limits/rate-rule.ts'
import { resultOf, type RateLimitResult } from '../../src/limits/rate-limit-result.ts'
import { injectedTime, SEQUENCES } from './injected-time.ts'
import { modelOf, type Model, type ModelRule } from './models.ts'

let server: TestRedis
let client: Redis
let connection: Connection

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.port, server.host, { maxRetriesPerRequest: null })
  connection = shareConnection(client, { deadline: '10s' })
})

afterAll(async () => {
  await connection.close()
  client.disconnect()
  await server.stop()
})

const scripts = Object.fromEntries(
  Object.keys(ENGINES).map((engine) => [engine, ruleScripts(engine as Engine, injectedTime)]),
) as Record<Engine, ReturnType<typeof ruleScripts>>
const many = {
  take: manyRulesScript('take', injectedTime),
  peek: manyRulesScript('peek', injectedTime),
}

let subjects = 0
const newKey = (): string => ownKey('limit', `test:${subjects++}`, 'x')

async function tell(
  rule: ResolvedRule,
  key: string,
  now: number,
  cost: number,
  mode: Mode,
): Promise<number[]> {
  const args = [rule.text, cost, now]
  return (await connection.scriptEach(scripts[rule.engine][mode], key, args)) as number[]
}

async function ask(...call: Parameters<typeof tell>): Promise<RateLimitResult> {
  return resultOf([call[0]], await tell(...call))
}

interface Chosen {
  readonly limit: number
  readonly window: Duration
  readonly burst: number | undefined
  readonly aligned: boolean
}

interface Step {
  /** Which kind of gap: none, some µs, part of a window, about a window, several windows. */
  readonly kind: number
  readonly share: number
  readonly cost: number
}

const algorithms: readonly RateAlgorithm[] = [
  'fixed-window',
  'sliding-window',
  'sliding-log',
  'token-bucket',
  'gcra',
]

const steps = fc.array(
  fc.record({
    kind: fc.nat({ max: 5 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    cost: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 5, maxLength: 40 },
)

function gapOf({ kind, share }: Step, window: number, limit: number): number {
  if (kind === 0) return 0
  if (kind === 1) return Math.round(share * 5)
  if (kind === 2) return Math.round((share * window) / limit)
  if (kind === 3) return Math.round(share * window)
  if (kind === 4) return window - 2 + Math.round(share * 4)
  return Math.round(share * 3 * window)
}

/** 2025-11-20, in µs. */
const START = 1_763_600_000_000_000

function plainModel(rule: RateRule, resolved: ResolvedRule): { model: Model; plain: ModelRule } {
  const plain: ModelRule = {
    algorithm: rule.algorithm,
    limit: BigInt(rule.limit),
    window: BigInt(Math.round(resolved.windowMs * 1000)),
    burst: BigInt(rule.burst ?? rule.limit),
    aligned: rule.aligned ?? false,
  }
  return { model: modelOf(plain), plain }
}

describe.each(algorithms)('%s against its model', (algorithm) => {
  it('admits the same, tells the same, and names the millisecond at which it admits again', async () => {
    const rules = fc.record({
      limit: fc.integer({ min: 1, max: 12 }),
      window: fc.constantFrom('1ms', '7ms', '250ms', '1s', '1m', '1h', '30 days'),
      burst: fc.option(fc.integer({ min: 1, max: 15 }), { nil: undefined }),
      aligned: fc.boolean(),
    })
    async function check(chosen: Chosen, moves: readonly Step[], offset: number): Promise<void> {
      const { limit, burst, aligned } = chosen
      const bucket = algorithm === 'token-bucket' || algorithm === 'gcra'
      const rule: RateRule = {
        algorithm,
        limit,
        window: chosen.window,
        ...(bucket && burst !== undefined && { burst }),
        ...(algorithm === 'fixed-window' && { aligned }),
      }
      const resolved = resolveRule(rule, '')
      const { model } = plainModel(rule, resolved)
      const key = newKey()
      const window = Math.round(resolved.windowMs * 1000)
      let now = START + offset
      for (const move of moves) {
        now += gapOf(move, window, limit)
        const cost = Math.min(move.cost, resolved.quota)
        const fits = model.fits(BigInt(now), BigInt(cost))
        const [seen, result] = await Promise.all([
          ask(resolved, key, now, cost, 'peek'),
          ask(resolved, key, now, cost, 'take'),
        ])
        expect([seen.allowed, result.allowed]).toEqual([fits, fits])
        if (fits) model.take(BigInt(now), BigInt(cost))
        expect(BigInt(result.remaining)).toBe(model.remaining(BigInt(now)))
        expect(result.count).toBe(resolved.quota - result.remaining)
        if (fits) {
          expect(result.retryAfter).toBe(0)
          continue
        }
        const waitMs = Math.round(result.retryAfter * 1000)
        expect(waitMs / 1000).toBe(result.retryAfter)
        // The script itself is exact to the microsecond.
        const [, wait] = await tell(resolved, key, now, cost, 'peek')
        const later = [wait!, wait! - 1, waitMs * 1000, (waitMs - 1) * 1000].map((micros) =>
          ask(resolved, key, now + micros, cost, 'peek'),
        )
        const answers = (await Promise.all(later)).map(({ allowed }) => allowed)
        expect(answers).toEqual([true, false, true, false])
      }
    }
    // A hundred at once share their commands.
    const trial = fc.tuple(rules, steps, fc.nat({ max: 999_999 }))
    const trials = fc.array(trial, { minLength: 100, maxLength: 100, size: 'max' })
    await fc.assert(
      fc.asyncProperty(trials, async (each) => {
        await Promise.all(each.map((one) => check(...one)))
      }),
      { numRuns: SEQUENCES / 100, endOnFailure: true },
    )
  })

  it('counts what it rejects when asked to, and nothing else', async () => {
    const resolved = resolveRule({ algorithm, limit: 3, window: '1s' }, '')
    const key = newKey()
    for (let i = 0; i < 3; i++)
      expect((await ask(resolved, key, START, 1, 'take')).allowed).toBe(true)
    const before = await ask(resolved, key, START + 1000, 1, 'take')
    for (let i = 0; i < 5; i++) await ask(resolved, key, START + 1000, 1, 'take')
    expect(await ask(resolved, key, START + 1000, 1, 'peek')).toEqual(before)
    const punished = await ask(resolved, key, START + 500_000, 1, 'count-all')
    expect(punished.allowed).toBe(algorithm === 'token-bucket' || algorithm === 'gcra')
    for (let i = 0; i < 5; i++) await ask(resolved, key, START + 500_000, 1, 'count-all')
    const after = await ask(resolved, key, START + 500_000, 1, 'peek')
    expect(after.allowed).toBe(false)
    // Of a fixed window only the count grows: its end stands.
    if (algorithm === 'fixed-window') expect(after.count).toBe(9)
    else expect(500 + after.retryAfter * 1000).toBeGreaterThan(1 + before.retryAfter * 1000)
  })

  it('mends itself when the clock of the server was set back by an hour', async () => {
    const resolved = resolveRule({ algorithm, limit: 3, window: '1s' }, '')
    const key = newKey()
    for (let i = 0; i < 3; i++) await ask(resolved, key, START, 1, 'take')
    const earlier = START - 3_600_000_000
    expect((await ask(resolved, key, earlier, 1, 'take')).allowed).toBe(false)
    // Two windows later by the new clock everything is as ever.
    const later = await ask(resolved, key, earlier + 2_000_000, 1, 'take')
    expect(later).toMatchObject({ allowed: true, remaining: 2 })
  })

  it('takes what is no state of its own for nothing, and refuses another type', async () => {
    const resolved = resolveRule({ algorithm, limit: 3, window: '1s' }, '')
    if (algorithm !== 'sliding-log') {
      const numbers = (...values: number[]): Buffer =>
        Buffer.concat(
          values.map((value) => Buffer.from(new Float64Array([value]).buffer).toReversed()),
        )
      const bad = [Number.NaN, -1, Number.POSITIVE_INFINITY, 1e300]
      const texts = [
        ...['', 'x', '12', '1:', 'x'.repeat(16), 'x'.repeat(24)].map((text) => Buffer.from(text)),
        ...bad.flatMap((value) => [numbers(value, value), numbers(value, value, value)]),
        ...bad.flatMap((value) => [numbers(0, value), numbers(0, value, value)]),
      ]
      for (const text of texts) {
        const key = newKey()
        await server.command('SET', key, text)
        expect((await ask(resolved, key, START, 1, 'take')).remaining).toBe(2)
        expect(Number(await server.command('PTTL', key))).toBeGreaterThan(0)
      }
    }
    const key = newKey()
    await server.command('HSET', key, 'f', 'v')
    await expect(ask(resolved, key, START, 1, 'take')).rejects.toMatchObject({ code: 'WRONG_TYPE' })
  })
})

describe('several limits in one check', () => {
  it('pass all of them or count in none, as their models say', async () => {
    const ruleOf = fc.record({
      algorithm: fc.constantFrom(...algorithms),
      limit: fc.integer({ min: 1, max: 10 }),
      window: fc.constantFrom('10ms', '250ms', '1s', '1m'),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(ruleOf, { minLength: 2, maxLength: 4 }),
        steps,
        async (chosen, moves) => {
          const rules = chosen.map((rule) => resolveRule(rule as RateRule, ''))
          const models = chosen.map((rule, i) => plainModel(rule as RateRule, rules[i]!).model)
          const tag = `many:${subjects++}`
          const keys = rules.map((_, i) => ownKey('limit', tag, String(i)))
          const askAll = async (
            now: number,
            cost: number,
            mode: 'take' | 'peek',
          ): Promise<RateLimitResult> => {
            const args = rules.flatMap(({ engine, text }) => [engine, text, cost, now])
            return resultOf(rules, (await connection.script(many[mode], keys, args)) as number[])
          }
          let now = START
          for (const move of moves) {
            now += gapOf(move, Math.round(rules[0]!.windowMs * 1000), rules[0]!.limit)
            const cost = Math.min(move.cost, ...rules.map(({ quota }) => quota))
            const fits = models.every((model) => model.fits(BigInt(now), BigInt(cost)))
            const result = await askAll(now, cost, 'take')
            expect(result.allowed).toBe(fits)
            if (fits) for (const model of models) model.take(BigInt(now), BigInt(cost))
            const left = rules.map((_, i) => models[i]!.remaining(BigInt(now)))
            expect(BigInt(result.remaining)).toBe(left[result.rule])
            if (fits) continue
            const waitMs = Math.round(result.retryAfter * 1000)
            expect((await askAll(now + (waitMs - 1) * 1000, cost, 'peek')).allowed).toBe(false)
            expect((await askAll(now + waitMs * 1000, cost, 'peek')).allowed).toBe(true)
          }
        },
      ),
      { numRuns: 250 },
    )
  })
})

describe('a bucket whose exact level would not fit a number', () => {
  it('drains a little slower than asked, never faster', () => {
    const rule = resolveRule({ algorithm: 'gcra', limit: 999_983, window: '366 days' }, '')
    const perCall = rule.b / rule.c
    const asked = (366 * 86_400e6) / 999_983
    expect(perCall).toBeGreaterThanOrEqual(asked)
    expect(perCall - asked).toBeLessThan(1)
    expect(rule.quota * 2 * rule.b).toBeLessThan(Number.MAX_SAFE_INTEGER)
  })
})

describe('the worked example of docs/concepts/rate-limiting.md', () => {
  // Milliseconds after a whole second, and whether each algorithm admits a call then.
  const moments = [0, 900, 950, 960, 1_000, 1_010, 1_020]
  it.each<[RateAlgorithm, (true | number)[]]>([
    ['fixed-window', [true, true, true, 0.04, true, true, true]],
    ['sliding-window', [true, true, true, 0.374, 0.334, 0.324, 0.314]],
    ['sliding-log', [true, true, true, 0.04, true, 0.89, 0.88]],
    ['token-bucket', [true, true, true, true, 0.234, 0.224, 0.214]],
    ['gcra', [true, true, true, true, 0.234, 0.224, 0.214]],
  ])('is what %s does', async (algorithm, expected) => {
    const rule = resolveRule({ algorithm, limit: 3, window: '1s' }, '')
    const key = newKey()
    const told: (true | number)[] = []
    for (const ms of moments) {
      const { allowed, retryAfter } = await ask(rule, key, START + ms * 1_000, 1, 'take')
      told.push(allowed || retryAfter)
    }
    expect(told).toEqual(expected)
  })
})
